"""Traffic of our own making, for what wrk cannot do: several requests in turn, outcomes one by one, company for another load."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bench.client import Answer, Recording, keep_asking, request_bytes
from bench.paths import SetupError
from bench.peers.base import Running

# What visitors of the Laravel application do: pages, JSON, a session, the database.
LARAVEL_TARGETS = ("/", "/hello", "/hello-web", "/hello/you", "/json", "/session", "/notes")


def visit(running: Running, targets: Sequence[str], *, count: int, connections: int) -> None:
    """Send `count` requests for `targets` in turn over some connections at once.

    Raises SetupError when an answer is not 200: a figure of errors would be no figure.
    """
    recording = Recording()
    requests = [request_bytes(target) for target in targets]

    async def run() -> None:
        is_over = lambda: len(recording.outcomes) >= count  # noqa: E731 - one expression, given to each connection
        async with asyncio.TaskGroup() as group:
            for turn in range(connections):
                # Each connection starts elsewhere, so that different requests run side by side.
                own = [*requests[turn % len(requests) :], *requests[: turn % len(requests)]]
                group.create_task(keep_asking(running.host, running.port, own, is_ok, recording, is_over))

    asyncio.run(run())
    bad = [outcome.status for outcome in recording.outcomes if not outcome.is_right]
    if bad:
        raise SetupError(
            f"{running.name}: {len(bad)} of {len(recording.outcomes)} answers were not 200: {sorted(set(bad))}"
        )


def is_ok(answer: Answer) -> bool:
    """Whether an answer is a success."""
    return answer.status == 200


@contextmanager
def company(running: Running, target: str, connections: int, is_right: Callable[[Answer], bool]) -> Iterator[Recording]:
    """Requests for `target` over `connections`, again and again in a thread, for as long as the block lasts."""
    recording = Recording()
    is_over = threading.Event()

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                asking = keep_asking(
                    running.host, running.port, [request_bytes(target)], is_right, recording, is_over.is_set
                )
                group.create_task(asking)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield recording
    finally:
        is_over.set()
        thread.join()
