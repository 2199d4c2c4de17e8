"""Conversations that several applications have: many visitors at once, and none may see another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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
        order = names[::-1] if turn % 2 else names
        name = order[(position + turn) % len(names)]
        answer = ask(name, browsers[name], number)
        assert answer == expected(name, number), f"request {number} of {name}: {answer}"


def at_once(start: Callable[[], Browser], talk: Callable[[Browser], Any], visitors: int = 8) -> list[Any]:
    """Let as many `visitors` talk to the server at the same time; return what each conversation returned."""

    def visit(_number: int) -> Any:
        with start() as browser:
            return talk(browser)

    with ThreadPoolExecutor(visitors) as threads:
        return list(threads.map(visit, range(visitors)))
