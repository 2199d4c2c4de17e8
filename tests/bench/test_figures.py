from __future__ import annotations

import pytest
from bench.figures import Sample, growth, quantile, ratio, rotated, summarise


def sample(rate: float, *, errors: int = 0, cpu_us: float = 100.0) -> Sample:
    return Sample(
        requests=1000,
        rate_per_s=rate,
        p50_ms=1.0,
        p99_ms=rate / 100,
        errors=errors,
        cpu_us=cpu_us,
        php_cpu_us=cpu_us / 2,
        rss_bytes=4096,
        pss_bytes=2048,
        cores=1.0,
        load_average=0.5,
    )


def test_a_summary_has_medians_extremes_and_the_sum_of_the_errors() -> None:
    summary = summarise([sample(300, errors=1, cpu_us=9), sample(100, cpu_us=50), sample(200, errors=2, cpu_us=10)])
    assert (summary.rate_per_s, summary.rate_low_per_s, summary.rate_high_per_s) == (200, 100, 300)
    assert (summary.cpu_us, summary.php_cpu_us, summary.errors) == (10, 5, 3)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.9, 90), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_quantile_is_a_value_that_was_seen(share: float, expected: int) -> None:
    assert quantile(range(100, 0, -1), share) == expected


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        quantile([], 0.5)


def test_a_ratio_needs_something_to_compare_with() -> None:
    assert ratio(1, 4) == 0.25
    assert ratio(1, None) is None
    assert ratio(1, 0) is None


def test_every_peer_comes_first_in_one_of_the_rounds() -> None:
    orders = [rotated("ABC", turn) for turn in range(4)]
    assert orders == [["A", "B", "C"], ["B", "C", "A"], ["C", "A", "B"], ["A", "B", "C"]]
    assert rotated([], 3) == []


def test_growth_leaves_the_warm_up_out_and_one_odd_sample_decides_nothing() -> None:
    assert growth([1, 5, 9, 10, 10, 10, 10, 99, 10]) == 0
    assert growth([0, 0, 0, 10, 10, 10, 11, 11, 11]) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="three"):
        growth([1, 2])
