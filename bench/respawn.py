"""How long a killed worker is missing: from its death until its successor can take a request.

The pool is idle, so nothing hides the time. The successor's record says when it became ready, on the same monotonic
clock as the kill: looking at it late does not lengthen the figure.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from bench import machine, table
from bench.compare import say
from bench.figures import quantile
from bench.options import Options
from bench.paths import SetupError
from bench.peers.base import Peer, started
from bench.pool_view import PoolView, attached
from bench.processes import pidfd, wait_exit, wait_until
from bench.results import Report
from bench.sites import SITES

SAMPLES = 60
QUICK_SAMPLES = 15
LIMIT_MS = 3.0
RESPAWN_S = 10.0


@dataclass(frozen=True)
class Respawn:
    """One death: milliseconds from the signal, and from the death, to the successor's readiness."""

    from_kill_ms: float
    from_death_ms: float


def measure(options: Options, folder: Path) -> Report:
    """Kill workers of both modes, on the small documents and on Laravel."""
    count = options.samples or (QUICK_SAMPLES if options.is_quick else SAMPLES)
    report = Report("respawn", "Respawn of a killed worker", machine.look(), {"samples": count})
    rows = []
    for site_name in ("documents", "laravel"):
        site = SITES[site_name](folder)
        for peer in options.only("askr", "askr-worker"):
            with started(peer, site, options.executors, folder) as running, attached(running.roots[0]) as pool:
                found = _kill_many(pool, peer, count)
            report.content[f"{peer.name} {site_name}"] = found
            kills = [one.from_kill_ms for one in found]
            deaths = [one.from_death_ms for one in found]
            median = statistics.median(deaths)
            say(
                f"respawn {peer.name} {site_name}: median {median:.2f} ms from death, {statistics.median(kills):.2f} ms from the kill"
            )
            rows.append(
                (
                    f"{peer.title}, {site_name}",
                    *(table.significant(value) for value in (median, quantile(deaths, 0.9), max(deaths))),
                    *(
                        table.significant(value)
                        for value in (statistics.median(kills), quantile(kills, 0.9), max(kills))
                    ),
                )
            )
            if median > LIMIT_MS:
                report.failures.append(f"{peer.title}, {site_name}: median {median:.2f} ms, more than {LIMIT_MS:g} ms")
    header = ("pool", "death: median ms", "90 % ms", "longest ms", "signal: median ms", "90 % ms", "longest ms")
    method = (
        f"{count} workers of an idle pool of {options.executors} were killed (SIGKILL), one after the other.\n"
        '"death" counts from the moment in which the kernel reports the process as ended, "signal" from just before the signal, so that it '
        "includes how long the kernel takes to dismantle the process; both end when the successor marks itself as ready for a request.\n"
        f"The limit for the median from death is {LIMIT_MS:g} ms."
    )
    report.sections = [method, f"## Time to a new worker\n\n{table.markdown(header, rows)}"]
    return report


def _kill_many(pool: PoolView, peer: Peer, count: int) -> list[Respawn]:
    found: list[Respawn] = []
    for turn in range(count):
        if not wait_until(lambda: all(worker.is_idle for worker in pool.workers()), RESPAWN_S):
            raise SetupError(f"{peer.name}: the workers do not become idle: {pool.workers()}")
        workers = pool.workers()
        found.append(_kill_one(pool, peer, workers[turn % len(workers)].index))
    return found


def _kill_one(pool: PoolView, peer: Peer, index: int) -> Respawn:
    victim = pool.worker(index).pid
    with pidfd(victim) as descriptor:
        killed_s = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_exit(descriptor, RESPAWN_S)
        dead_s = time.monotonic()

    def is_back() -> bool:
        # The successor may have another index, and the record of the dead one may be gone for a moment.
        return any(worker.is_idle and worker.since_s > killed_s for worker in pool.workers())

    if not wait_until(is_back, RESPAWN_S, pause_s=0.001):
        raise SetupError(f"{peer.name}: worker {victim} was not replaced within {RESPAWN_S:.0f} s")
    ready_s = min(worker.since_s for worker in pool.workers() if worker.is_idle and worker.since_s > killed_s)
    return Respawn((ready_s - killed_s) * 1e3, max(0.0, ready_s - dead_s) * 1e3)
