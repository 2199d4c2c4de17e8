from __future__ import annotations

import pytest
from bench.bars import BARS, judge, section
from bench.documents import documents
from bench.peers.registry import PEERS

from tests.bench.test_figures import sample


def test_a_bar_is_met_up_to_its_limit_and_not_beyond() -> None:
    fine = {"hello": {"askr": [sample(1, cpu_us=28.0)], "nginx-fpm": [sample(1, cpu_us=100.0)]}}
    (verdict,) = judge(fine)
    assert verdict.share == pytest.approx(0.28)
    assert verdict.is_met
    (verdict,) = judge({"hello": {**fine["hello"], "askr": [sample(1, cpu_us=29.0)]}})
    assert not verdict.is_met
    assert "| 0.29 | 0.28 | **no** |" in section([verdict])


def test_laravel_s_bar_is_what_the_front_adds_to_php_s_own_time() -> None:
    # The sample has half of its CPU time in PHP, so the front adds as much again.
    (verdict,) = judge({"laravel": {"askr-worker": [sample(1, cpu_us=300.0)]}})
    assert verdict.base_us == 150.0
    assert verdict.share == pytest.approx(1.0)
    assert not verdict.is_met


def test_a_bar_without_its_figures_is_left_out() -> None:
    assert judge({"hello": {"askr": [sample(1)]}, "404": {"floor": [sample(1)]}}) == []


def test_every_bar_names_a_document_and_peers_that_there_are() -> None:
    for bar in BARS:
        assert bar.document in documents()
        assert {bar.peer, bar.base} - {"PHP's own time"} <= set(PEERS)
