"""Samples and what is said about them: medians, quantiles, ratios, the order of rounds. No input or output."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """One peer under one document for some seconds.

    `errors` counts what was no answer or a wrong one; `cpu_us` is the peer's CPU time per answer, `php_cpu_us` the part
    of it that is left without the processes which hold the connections.
    """

    requests: int
    rate_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_us: float
    php_cpu_us: float
    rss_bytes: int
    pss_bytes: int
    cores: float
    load_average: float


@dataclass(frozen=True)
class Summary:
    """The samples of one peer under one document: medians, and the sum of the errors."""

    rate_per_s: float
    rate_low_per_s: float
    rate_high_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_us: float
    php_cpu_us: float
    pss_bytes: float
    cores: float


def summarise(samples: Sequence[Sample]) -> Summary:
    """Return the medians of `samples`, of which there is at least one."""
    rates = [sample.rate_per_s for sample in samples]
    return Summary(
        statistics.median(rates),
        min(rates),
        max(rates),
        statistics.median(sample.p50_ms for sample in samples),
        statistics.median(sample.p99_ms for sample in samples),
        sum(sample.errors for sample in samples),
        statistics.median(sample.cpu_us for sample in samples),
        statistics.median(sample.php_cpu_us for sample in samples),
        statistics.median(sample.pss_bytes for sample in samples),
        statistics.median(sample.cores for sample in samples),
    )


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of `values` do not exceed: the nearest-rank quantile.

    Raises ValueError when there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there is no quantile of nothing")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(value: float, base: float | None) -> float | None:
    """Return `value` divided by `base`, or None where there is nothing to compare with."""
    return value / base if base else None


def rotated(items: Sequence[T], turn: int) -> list[T]:
    """Return the order of round `turn`: A B C, then B C A, then C A B, so that noise falls on all alike."""
    if not items:
        return []
    start = turn % len(items)
    return [*items[start:], *items[:start]]


def growth(values: Sequence[float]) -> float:
    """Return by how much the last third of a series is above its second third, as a share of it.

    The first third is warm-up. Medians, so that one sample taken at an odd moment decides nothing.
    """
    third = len(values) // 3
    if third == 0:
        raise ValueError("a series of fewer than three values has no trend")
    middle, last = statistics.median(values[third : 2 * third]), statistics.median(values[2 * third :])
    return last / middle - 1 if middle else 0.0
