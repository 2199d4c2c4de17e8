"""Conversations that several applications have: many visitors at once, and none may see another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.browser import Browser

INTERLEAVED_REQUESTS = 200


def interleave(
    browsers: Mapping[str, Browser],
    ask: Callable[[str, Browser, int], Any],
    expected: Callable[[str, int], Any],
    rounds: int = INTERLEAVED_REQUESTS,
) -> None:
    """Let the browsers ask in turn, `rounds` times in all; each answer must be what `expected` says for its visitor.

    The order changes from turn to turn, so that a worker sees its visitors in every order.
    """
    names = sorted(browsers)
    for number in range(rounds):
        turn, position = divmod(number, len(names))
        name = (
            names[(position * (1 + turn % 2) + turn // 2) % len(names)]
            if len(names) % 2
            else names[(position + turn // 2) % len(names)]
        )
        answer = ask(name, browsers[name], number)
        assert answer == expected(name, number), f"request {number} of {name}: {answer}"
