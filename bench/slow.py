"""Honest clients beside slow ones: 50 connections that want short answers, and 2,000 that drip heads and bodies or sip their answers."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import load, machine, table
from bench.compare import say
from bench.crowd import allow_descriptors
from bench.documents import documents
from bench.options import Options
from bench.paths import CHECKOUT, SetupError
from bench.peers.base import Peer, Running, Site, started
from bench.results import Report
from bench.sites import SITES
from bench.slow_clients import Tally

CLIENTS = 2000
QUICK_CLIENTS = 500
HONEST = 50
SETTLE_S = 3.0  # until the answers that are read slowly lie ready
START_S = 60.0
STOP_S = 20.0
LIMIT = 2.0
TARGET = "hello"


@dataclass(frozen=True)
class Pair:
    """One round: the honest load alone, and beside the slow clients; `driver_cores` is what those took themselves."""

    alone: load.Load
    beside: load.Load
    tally: Tally
    driver_cores: float

    @property
    def share(self) -> float:
        """p99 beside the slow clients, of what it is alone."""
        return self.beside.p99_ms / self.alone.p99_ms


def measure(options: Options, folder: Path) -> Report:
    """Measure Askr in both modes, and nginx with PHP-FPM."""
    count = QUICK_CLIENTS if options.is_quick else CLIENTS
    settings = {"clients": count, "honest": HONEST, "rounds": options.rounds, "seconds": options.seconds}
    report = Report("slow", "Honest clients beside slow ones", machine.look(), settings)
    site = SITES["documents"](folder)
    rows = []
    for peer in options.only("askr", "askr-worker", "nginx-fpm"):
        pairs = _pairs(peer, site, options, count, folder)
        report.content[peer.name] = pairs
        figures = [
            statistics.median(values)
            for values in (
                [pair.alone.p50_ms for pair in pairs],
                [pair.beside.p50_ms for pair in pairs],
                [pair.alone.p99_ms for pair in pairs],
                [pair.beside.p99_ms for pair in pairs],
                [pair.share for pair in pairs],
            )
        ]
        errors = sum(pair.alone.errors + pair.beside.errors for pair in pairs)
        cores = statistics.median(pair.driver_cores for pair in pairs)
        say(
            f"slow {peer.name}: p99 {figures[2]:.1f} ms alone, {figures[3]:.1f} ms beside: {figures[4]:.2f} ×, errors {errors}"
        )
        rows.append((peer.title, *map(table.significant, figures), f"{cores * 100:.0f} %", str(errors)))
        if peer.name.startswith("askr"):
            if figures[4] > LIMIT:
                report.failures.append(
                    f"{peer.title}: p99 is {figures[4]:.2f} × of what it is without the slow clients"
                )
            if errors:
                report.failures.append(f"{peer.title}: {errors} errors of honest clients")
    header = (
        "server",
        "p50 alone, ms",
        "p50 beside",
        "p99 alone, ms",
        "p99 beside",
        "p99 ratio",
        "slow clients' own CPU",
        "errors",
    )
    method = (
        f"{HONEST} connections ask for `/hello.php` again and again, first alone, then beside {count:,} slow clients: a third send a head byte by byte, "
        "a third a body byte by byte (a byte a second each), a third read a file of 10 MB or 2 MB that PHP wrote, 2 KB a second each.\n"
        "What a server closes is opened anew. The slow clients are one process with one thread; its share of a CPU is in the table.\n"
        f"Medians of {options.rounds} rounds of {options.seconds:g} s; the ratio is the median of the rounds' ratios. "
        f"The limit for Askr's p99 is {LIMIT:g} × of what it is alone."
    )
    report.sections = [method, f"## Latency of the honest\n\n{table.markdown(header, rows)}"]
    return report


def _pairs(peer: Peer, site: Site, options: Options, count: int, folder: Path) -> list[Pair]:
    allow_descriptors(2 * count)
    with started(peer, site, options.executors, folder) as running:
        _honest(running, options)  # warm-up
        return [_pair(running, options, count) for _ in range(options.rounds)]


def _pair(running: Running, options: Options, count: int) -> Pair:
    alone = _honest(running, options)
    tally = Tally()
    with _slow(running.port, count, tally):
        time.sleep(SETTLE_S)
        began_s = time.monotonic()
        beside = _honest(running, options)
        took_s = time.monotonic() - began_s
    return Pair(alone, beside, tally, tally.cpu_s / (took_s + SETTLE_S))


def _honest(running: Running, options: Options) -> load.Load:
    return load.run(running.host, running.port, documents()[TARGET], connections=HONEST, seconds=options.seconds)


@contextmanager
def _slow(port: int, count: int, tally: Tally) -> Iterator[None]:
    words = [sys.executable, "-m", "bench.slow_clients", str(port), str(count)]
    process = subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise SetupError(f"the slow clients did not start: {process.communicate()[1]}")
        yield
    finally:
        process.terminate()
        out, err = process.communicate(timeout=STOP_S)
    if process.returncode != 0:
        raise SetupError(f"the slow clients failed: {err}")
    tally.__dict__.update(json.loads(out))
