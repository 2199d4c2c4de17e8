"""Fast requests beside slow ones: three of four PHP processes sleep for two seconds at a time, 16 connections want short answers."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from bench import load, machine, table
from bench.compare import say
from bench.documents import documents
from bench.options import Options
from bench.peers.base import Peer, Running, Site, started
from bench.results import Report
from bench.sites import SITES
from bench.traffic import company, is_ok

SLOW_TARGET = "/sleep.php?ms=2000"
SETTLE_S = 0.3  # until the slow requests run
LIMIT = 3.0


@dataclass(frozen=True)
class Pair:
    """One round: the fast load alone, and beside the slow requests."""

    alone: load.Load
    beside: load.Load
    slow_answers: int
    slow_failures: int


def measure(options: Options, folder: Path) -> Report:
    """Measure Askr in both modes and nginx with PHP-FPM."""
    slow = options.executors - 1
    report = Report(
        "head-of-line",
        "Fast requests beside slow ones",
        machine.look(),
        {"executors": options.executors, "slow": slow, "connections": options.connections, "rounds": options.rounds},
    )
    site = SITES["documents"](folder)
    rows = []
    for peer in options.only("askr", "askr-worker", "nginx-fpm"):
        pairs = _pairs(peer, site, options, slow, folder)
        report.content[peer.name] = pairs
        p50 = [statistics.median(getattr(pair, side).p50_ms for pair in pairs) for side in ("alone", "beside")]
        p99 = [statistics.median(getattr(pair, side).p99_ms for pair in pairs) for side in ("alone", "beside")]
        longest = [max(getattr(pair, side).max_ms for pair in pairs) for side in ("alone", "beside")]
        errors = sum(pair.alone.errors + pair.beside.errors + pair.slow_failures for pair in pairs)
        share = p99[1] / p99[0]
        say(f"head-of-line {peer.name}: p99 {p99[0]:.1f} ms alone, {p99[1]:.1f} ms beside: {share:.2f} ×")
        figures = (*p50, *p99, share, *longest)
        rows.append((peer.title, *map(table.significant, figures), str(errors)))
        if peer.name.startswith("askr") and share > LIMIT:
            report.failures.append(f"{peer.title}: p99 is {share:.1f} × of what it is without the slow requests")
    header = (
        "server",
        "p50 alone, ms",
        "p50 beside",
        "p99 alone, ms",
        "p99 beside",
        "p99 ratio",
        "longest alone, ms",
        "longest beside",
        "errors",
    )
    method = (
        f"{options.connections} connections ask for `/hello.php`, first alone, then while {slow} others ask for `{SLOW_TARGET}` again and again; "
        f"{options.executors} PHP processes; medians of {options.rounds} rounds of {options.seconds:g} s.\n"
        f"The limit for Askr's p99 is {LIMIT:g} × of what it is alone."
    )
    report.sections = [method, f"## Latency\n\n{table.markdown(header, rows)}"]
    return report


def _pairs(peer: Peer, site: Site, options: Options, slow: int, folder: Path) -> list[Pair]:
    with started(peer, site, options.executors, folder) as running:
        _fast(running, options)  # warm-up
        return [_pair(running, options, slow) for _ in range(options.rounds)]


def _pair(running: Running, options: Options, slow: int) -> Pair:
    alone = _fast(running, options)
    with company(running, SLOW_TARGET, slow, is_ok) as recording:
        time.sleep(SETTLE_S)
        beside = _fast(running, options)
    failures = sum(not outcome.is_right for outcome in recording.outcomes)
    return Pair(alone, beside, len(recording.outcomes), failures)


def _fast(running: Running, options: Options) -> load.Load:
    hello = documents()["hello"]
    return load.run(running.host, running.port, hello, connections=options.connections, seconds=options.seconds)
