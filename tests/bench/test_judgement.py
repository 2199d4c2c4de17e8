from __future__ import annotations

import dataclasses

import pytest
from bench.client import Outcome
from bench.kill import damage
from bench.paths import SetupError
from bench.peers.registry import DEFAULT, chosen
from bench.pool_view import Books
from bench.soak import Holding, judge

BALANCED = Books({"FREE": 1024, "RUNNING": 0}, blocks_used=0, blocks_free=4096, blocks_lost=0, queue_depth=0)
KILLED_S = 10.0


def right(done_s: float, sent_s: float = 0.0) -> Outcome:
    return Outcome(sent_s, done_s, 200, is_right=True)


def test_damage_counts_what_the_clients_saw_after_the_kill() -> None:
    outcomes = [
        Outcome(9.0, 9.5, 502, is_right=False),  # before: not the kill's doing
        right(9.99),
        Outcome(9.9, 10.01, 0, is_right=False),
        Outcome(9.9, 10.02, 502, is_right=False),
        Outcome(9.9, 10.02, 200, is_right=False),
        right(10.05),
        right(10.06),
        right(10.9),
    ]
    found = damage(outcomes, KILLED_S, until_s=11.0)
    assert (found.lost, found.refused, found.short) == (1, 1, 1)
    assert found.again_ms == pytest.approx(50)
    assert found.pause_ms == pytest.approx(840)
    assert found.answers == 4


def test_a_server_that_stays_dead_is_away_until_the_end() -> None:
    found = damage([right(9.9)], KILLED_S, until_s=11.0)
    assert found.again_ms == pytest.approx(1000)
    assert found.pause_ms == pytest.approx(1100)


def holding(requests: int, **other: object) -> Holding:
    plain = Holding(requests, 0, 2 << 20, 1 << 20, 1 << 19, 50, BALANCED)
    return dataclasses.replace(plain, **other)  # type: ignore[arg-type]  # each test names fields of the record


def test_a_flat_run_has_nothing_to_complain_about() -> None:
    assert judge([holding(turn) for turn in range(9)]) == []


def test_what_grows_is_named() -> None:
    assert "PSS grew" in judge([holding(turn, pss_bytes=1 << 20 if turn < 6 else 2 << 20) for turn in range(9)])[0]
    assert "51 descriptors" in judge([holding(turn, descriptors=50 if turn < 8 else 51) for turn in range(9)])[0]
    lost = dataclasses.replace(BALANCED, blocks_lost=1)
    assert "books" in judge([holding(turn, books=lost if turn == 4 else BALANCED) for turn in range(9)])[0]
    assert judge([holding(turn, errors=1) for turn in range(3)]) == ["3 errors"]


@pytest.mark.parametrize("field", ["blocks_used", "blocks_lost", "queue_depth"])
def test_the_books_balance_only_when_nothing_is_in_use(field: str) -> None:
    assert BALANCED.are_balanced
    odd = dataclasses.replace(BALANCED, **{field: 1})  # type: ignore[arg-type]  # mypy takes all fields for one type
    assert not odd.are_balanced
    assert not dataclasses.replace(BALANCED, exchanges={"FREE": 1023, "RUNNING": 1}).are_balanced


def test_peers_are_chosen_by_name_and_added_with_a_plus() -> None:
    assert [peer.name for peer in chosen(None)] == list(DEFAULT)
    assert [peer.name for peer in chosen("nginx-fpm")] == ["nginx-fpm"]
    assert [peer.name for peer in chosen("+frankenphp")] == [*DEFAULT, "frankenphp", "frankenphp-worker"]
    with pytest.raises(SetupError, match="no peer apache"):
        chosen("apache")
