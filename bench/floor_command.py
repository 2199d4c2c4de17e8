"""The distance to the floor: Askr's fixed answer beside programs that only receive and send, over epoll and over io_uring."""

from __future__ import annotations

from pathlib import Path

from bench import machine, table
from bench.compare import Plan, compare
from bench.documents import documents
from bench.figures import ratio, summarise
from bench.options import Options
from bench.peers.registry import PEERS
from bench.results import Report

NAMES = ("floor", "floor-io_uring", "floor-io_uring-multishot", "askr", "nginx-fpm")


def measure(options: Options, folder: Path) -> Report:
    """Ask each for what is not there, in interleaved rounds."""
    document = documents()["404"]
    plan = Plan(
        options.only(*NAMES), [document], options.rounds, options.seconds, options.connections, options.executors
    )
    settings = {"rounds": plan.rounds, "seconds": plan.seconds, "connections": plan.connections}
    report = Report("floor", "Distance to the floor", machine.look(), settings)
    found = compare(plan, folder)
    report.content = {"samples": found.samples}
    report.notes = found.notes
    summaries = {name: summarise(each) for name, each in found.samples.get("404", {}).items()}
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
    header = ("server", "CPU µs per request", "÷ floor", "requests/s", "p50 ms", "p99 ms", "errors")
    method = (
        f"{plan.rounds} interleaved rounds of {plan.seconds:g} s with {plan.connections} connections; every answer is a 404.\n"
        "The floor sends the very bytes that Askr sends, and does nothing but receive a request and send them.\n"
        "It registers each connection with epoll once, edge-triggered, and receives and sends once for a request.\n"
        "Over io_uring it does so with one operation for each receive, and with multishot accept and receive, a ring of buffers and "
        "descriptors that only the ring knows; the ring has a single issuer and defers its work to the wait (DEFER_TASKRUN)."
    )
    report.sections = [method, f"## A fixed answer\n\n{table.markdown(header, rows)}"]
    return report
