"""The subcommands: what each measures, its options, and the report that it leaves."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from bench import (
    compare_command,
    floor_command,
    fronts,
    head_of_line,
    idle,
    kill,
    memory,
    micro_command,
    profile_command,
    respawn,
    slow,
    soak,
)
from bench.options import Options
from bench.paths import SetupError
from bench.peers.frankenphp.build import build
from bench.results import Report

MEASUREMENTS: dict[str, Callable[[Options, Path], Report]] = {
    "compare": compare_command.measure,
    "respawn": respawn.measure,
    "memory": memory.measure,
    "head-of-line": head_of_line.measure,
    "kill": kill.measure,
    "floor": floor_command.measure,
    "fronts": fronts.measure,
    "idle": idle.measure,
    "slow": slow.measure,
    "profile": profile_command.measure,
    "micro": micro_command.measure,
    "soak": soak.measure,
}
HELP = {
    "compare": "every document on every peer: CPU per request, requests/s, latency, memory (the default)",
    "respawn": "time from a worker's death to its successor's readiness",
    "memory": "memory of an idle Laravel worker after traffic, against a PHP-FPM child's",
    "head-of-line": "latency of fast requests beside slow ones that hold all workers but one",
    "kill": "what a killed worker or front costs the clients",
    "floor": "CPU per fixed answer, against programs that only receive and send (epoll, io_uring)",
    "fronts": "how evenly several processes share a port: SO_REUSEPORT, a shared socket, EPOLLEXCLUSIVE",
    "idle": "10,000 connections that wait: memory for each, and wake-ups meanwhile",
    "slow": "latency of 50 honest connections beside 2,000 slow clients",
    "profile": "where the time goes: functions by perf, system calls by strace, flame graphs",
    "micro": "parts of the native wire by themselves, in nanoseconds",
    "soak": "100,000 requests in both modes: memory, descriptors and the shared memory's books stay flat",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m bench", description="Measure Askr and its peers on this machine.")
    found.add_argument(
        "measurement",
        nargs="?",
        default="compare",
        choices=[*MEASUREMENTS, "all", "build-frankenphp", "chart"],
        metavar="MEASUREMENT",
        help="; ".join(
            [
                *(f"{name}: {text}" for name, text in HELP.items()),
                "all: each of them but soak",
                "build-frankenphp: build that peer",
                "chart: draw the chart again from the newest comparison",
            ]
        ),
    )
    found.add_argument("--quick", action="store_true", help="fewer documents, shorter: under a minute")
    found.add_argument("--peers", metavar="NAMES", help="comma-separated; +NAME adds to the usual ones (+frankenphp)")
    found.add_argument("--documents", metavar="NAMES", help="comma-separated; all unless given")
    found.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds (3)")
    found.add_argument("--seconds", type=float, metavar="S", help="length of a sample (2)")
    found.add_argument("--connections", type=int, default=16, metavar="N", help="connections of the load (16)")
    found.add_argument(
        "--executors", type=int, default=4, metavar="N", help="requests that run PHP at the same time (4)"
    )
    found.add_argument(
        "--requests", type=int, default=100_000, metavar="N", help="requests of a soak, per mode (100000)"
    )
    found.add_argument("--samples", type=int, metavar="N", help="repetitions of respawn (60) and kill (10)")
    found.add_argument("--no-save", action="store_true", help="print the report and write no files")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line names; return the exit status: 1 when something was missing or a limit was broken, 2 for a wrong name."""
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)  # so that the servers which were started are stopped
    if given.measurement == "build-frankenphp":
        return _guarded(lambda: print(build()))
    if given.measurement == "chart":
        return _guarded(lambda: print(compare_command.redraw()))
    try:
        options = Options.of(given)
    except SetupError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    names = [name for name in MEASUREMENTS if name != "soak"] if given.measurement == "all" else [given.measurement]
    # One after the other, whatever the earlier ones found.
    return max([_guarded(partial(_measure, name, options, is_saved=not given.no_save)) for name in names])


def _measure(name: str, options: Options, *, is_saved: bool) -> None:
    # Sockets lie in this folder, and their paths may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="askr-bench-", dir="/tmp") as folder:
        report = MEASUREMENTS[name](options, Path(folder))
    print(report.markdown())
    if is_saved:
        print(f"written: {os.path.relpath(report.save())}", file=sys.stderr)
    if report.failures:
        raise SetupError("\n".join(report.failures))


def _guarded(action: Callable[[], None]) -> int:
    try:
        action()
    except SetupError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)
