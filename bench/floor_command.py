"""The distance to the floor: Askr's fixed answer beside programs that only receive and send, over epoll and over io_uring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import machine, table
from bench.compare import Plan, compare
from bench.documents import documents
from bench.figures import Sample, ratio, summarise
from bench.options import Options
from bench.peers.registry import PEERS
from bench.results import Report

CONNECTIONS = (1, 16, 256)
NAMES = ("floor", "floor-io_uring", "floor-io_uring-multishot", "askr", "nginx-fpm")


def measure(options: Options, folder: Path) -> Report:
    """Ask each for what is not there, in interleaved rounds, over few and over many connections."""
    settings = {"rounds": options.rounds, "seconds": options.seconds, "connections": CONNECTIONS}
    report = Report("floor", "Distance to the floor", machine.look(), settings)
    tables = []
    for connections in CONNECTIONS:
        plan = Plan(
            options.only(*NAMES),
            [documents()["404"]],
            options.rounds,
            options.seconds,
            connections,
            options.executors,
        )
        own = folder / str(connections)
        own.mkdir()
        found = compare(plan, own)
        report.content[str(connections)] = found.samples
        report.notes += found.notes
        title = f"{connections} connection{'s' if connections > 1 else ''}"
        tables.append(f"## {title}\n\n{_table(found.samples.get('404', {}))}")
    method = (
        f"{options.rounds} interleaved rounds of {options.seconds:g} s; every answer is a 404.\n"
        "The floor sends the very bytes that Askr sends, and does nothing but receive a request and send them.\n"
        "It registers each connection with epoll once, edge-triggered, and receives and sends once for a request.\n"
        "Over io_uring it does so with one operation for each receive, and with multishot accept and receive, a ring of buffers and "
        "descriptors that only the ring knows; the ring has a single issuer and defers its work to the wait (DEFER_TASKRUN)."
    )
    report.sections = [method, *tables]
    return report


def _table(samples: Mapping[str, Sequence[Sample]]) -> str:
    summaries = {name: summarise(each) for name, each in samples.items()}
    base = summaries.get("floor")
    rows = [
        (
            PEERS[name].title,
            table.significant(one.cpu_us),
            table.number(ratio(one.cpu_us, base.cpu_us if base else None), 2),
            table.number(one.rate_per_s),
            table.significant(one.p50_ms),
            table.significant(one.p99_ms),
            table.number(one.errors),
        )
        for name, one in summaries.items()
    ]
    return table.markdown(("server", "CPU µs per request", "÷ floor", "requests/s", "p50 ms", "p99 ms", "errors"), rows)
