"""What the clients see when a process is killed under load: a PHP process, or one that holds connections."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench import machine, table
from bench.client import Answer, Outcome, Recording, keep_asking, request_bytes
from bench.compare import say
from bench.options import Options
from bench.paths import SetupError
from bench.peers.base import Peer, Running, Site, started
from bench.pool_view import Books, attached
from bench.processes import wait_until
from bench.results import Report
from bench.sites import SITES

# Long enough that every PHP process is busy when one is killed, short enough for a thousand answers per second.
TARGET = "/sleep.php?ms=5"
SAMPLES = 10
QUICK_SAMPLES = 3
BEFORE_S = 0.25
AFTER_S = 0.75
SETTLE_S = 10.0

# peer, what is killed, how many PHP processes there are
CASES = (
    ("askr", "worker", 4),
    ("askr-worker", "worker", 4),
    ("nginx-fpm", "worker", 4),
    ("askr", "worker", 1),
    ("askr-worker", "worker", 1),
    ("nginx-fpm", "worker", 1),
    ("askr", "front", 4),
    ("nginx-fpm", "front", 4),
)
WORDS = {
    ("askr", "worker"): "a worker",
    ("askr", "front"): "the front",
    ("askr-worker", "worker"): "a worker",
    ("nginx-fpm", "worker"): "a PHP-FPM child",
    ("nginx-fpm", "front"): "one of nginx's worker processes",
}


@dataclass(frozen=True)
class Damage:
    """One kill as the clients saw it.

    `lost` counts connections that broke, `refused` answers of 500 and more, `short` answers of 200 with a wrong body: there must be none.
    `again_ms` is from the kill to the first right answer after it; `pause_ms` the longest time without one, from just before the kill on.
    """

    lost: int
    refused: int
    short: int
    again_ms: float
    pause_ms: float
    answers: int


def damage(outcomes: Sequence[Outcome], killed_s: float, until_s: float) -> Damage:
    """Judge the outcomes of a load in which a process was killed at `killed_s` and which ended at `until_s`."""
    late = [one for one in outcomes if one.done_s >= killed_s]
    right = sorted(one.done_s for one in outcomes if one.is_right)
    again = min((one.done_s for one in late if one.is_right), default=until_s)
    moments = [max((moment for moment in right if moment < killed_s), default=killed_s)]
    moments += [*(moment for moment in right if killed_s <= moment <= until_s), until_s]
    pause = max(later - earlier for earlier, later in pairwise(moments))
    return Damage(
        lost=sum(one.status == 0 for one in late),
        refused=sum(one.status >= 500 for one in late),
        short=sum(not one.is_right and 0 < one.status < 500 for one in late),
        again_ms=(again - killed_s) * 1e3,
        pause_ms=pause * 1e3,
        answers=len(right),
    )


def measure(options: Options, folder: Path) -> Report:
    """Kill in Askr and in nginx with PHP-FPM what is comparable."""
    count = options.samples or (QUICK_SAMPLES if options.is_quick else SAMPLES)
    settings = {"samples": count, "connections": options.connections, "target": TARGET}
    report = Report("kill", "Killed under load", machine.look(), settings)
    site = SITES["documents"](folder)
    rows = []
    peers = {peer.name: peer for peer in options.only("askr", "askr-worker", "nginx-fpm")}
    for name, victim, executors in CASES:
        case = (
            f"{peers[name].title}: {WORDS[name, victim]} of {executors}"
            if victim == "worker"
            else f"{peers[name].title}: {WORDS[name, victim]}"
        )
        found, books = _case(
            peers[name], site, victim, executors, options.connections, count, folder / f"{victim}-{executors}"
        )
        report.content[case] = {"kills": found, "books": books}
        again = statistics.median(one.again_ms for one in found)
        pause = statistics.median(one.pause_ms for one in found)
        lost, refused, short = (sum(getattr(one, field) for one in found) for field in ("lost", "refused", "short"))
        say(
            f"kill {case}: {lost} lost, {refused} refused in {count} kills, again after {again:.1f} ms, pause {pause:.1f} ms"
        )
        balance = "–" if books is None else "yes" if books.are_balanced else "no"
        each = (table.number(lost / count, 1), table.number(refused / count, 1), table.number(short / count, 1))
        rows.append((case, *each, table.significant(again), table.significant(pause), balance))
        if name.startswith("askr"):
            if short:
                report.failures.append(f"{case}: {short} answers of 200 had a wrong body")
            if books is not None and not books.are_balanced:
                report.failures.append(f"{case}: the books do not balance: {books}")
    header = (
        "killed",
        "connections lost",
        "answers ≥ 500",
        "short answers of 200",
        "answers again, ms",
        "longest pause, ms",
        "books balance",
    )
    method = (
        f"{options.connections} connections ask for `{TARGET}` again and again, so that every PHP process is busy; {count} kills (SIGKILL) per row.\n"
        "Lost connections and answers of 500 and more are means per kill.\n"
        '"answers again" is from the kill to the next right answer on any connection, "longest pause" the longest time without one '
        "from just before the kill on; medians, and with one PHP process or one front they are what the clients wait for its successor.\n"
        "The books are those of Askr's shared memory once the load is over: no exchange, block or queue entry in use."
    )
    report.sections = [method, f"## Damage per kill\n\n{table.markdown(header, rows)}"]
    return report


def _case(
    peer: Peer, site: Site, victim: str, executors: int, connections: int, count: int, folder: Path
) -> tuple[list[Damage], Books | None]:
    with started(peer, site, executors, folder) as running:
        found = [_kill_once(running, victim, connections, turn) for turn in range(count)]
        if not peer.name.startswith("askr"):
            return found, None
        with attached(running.roots[0]) as pool:
            wait_until(lambda: pool.books().are_balanced, SETTLE_S)
            return found, pool.books()


def _kill_once(running: Running, victim: str, connections: int, turn: int) -> Damage:
    find = running.executors if victim == "worker" else running.edges
    if not wait_until(lambda: bool(find()), SETTLE_S):
        raise SetupError(f"{running.name} has no {victim} to kill")
    victims = find()
    recording = Recording()
    moments: list[float] = []

    async def run() -> None:
        is_over = lambda: len(moments) > 1  # noqa: E731 - one expression, given to each connection
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                asking = keep_asking(running.host, running.port, [request_bytes(TARGET)], _is_slept, recording, is_over)
                group.create_task(asking)
            await asyncio.sleep(BEFORE_S)
            moments.append(time.monotonic())
            os.kill(victims[turn % len(victims)], signal.SIGKILL)
            await asyncio.sleep(AFTER_S)
            moments.append(time.monotonic())

    asyncio.run(run())
    return damage(recording.outcomes, *moments)


def _is_slept(answer: Answer) -> bool:
    return answer.status == 200 and answer.body == b"slept"
