"""How several processes share one port: the floor over the three ways of the kernel, with short connections and with ones that stay."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench import load, machine, processes, table
from bench.compare import say
from bench.documents import Document
from bench.figures import rotated
from bench.floor.program import Counts, floor
from bench.options import Options
from bench.peers.askr import peer as askr
from bench.peers.base import HOST, Running, started
from bench.results import Report
from bench.sites import SITES

PROCESSES = (2, 4)
CONNECTIONS = (16, 64, 1000)
# the kernel's way, and how many connections a process accepts in a turn
WAYS = (
    ("reuseport", "one"),
    ("reuseport", "many"),
    ("shared", "one"),
    ("shared", "many"),
    ("exclusive", "one"),
    ("exclusive", "many"),
)
TITLES = {
    ("reuseport", "one"): "SO_REUSEPORT, one accept",
    ("reuseport", "many"): "SO_REUSEPORT, all that wait",
    ("shared", "one"): "shared socket, one accept",
    ("shared", "many"): "shared socket, all that wait",
    ("exclusive", "one"): "EPOLLEXCLUSIVE, one accept",
    ("exclusive", "many"): "EPOLLEXCLUSIVE, all that wait",
}
ENDS = ("keep", "close")
HEAD = b"HTTP/1.1 404 Not Found\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 15\r\n"
BODY = b"askr: not found"
FIXED = Document("fixed", "Fixed answer", "/nothing", None, status=404)


@dataclass(frozen=True)
class Sharing:
    """One load: what the clients saw, and what each process did."""

    load: load.Load
    counts: list[Counts]

    @property
    def busiest_connections(self) -> float:
        """The largest share of the connections that one process had."""
        return largest_share([one.accepted for one in self.counts])

    @property
    def busiest_cpu(self) -> float:
        """The largest share of the CPU time that one process used."""
        return largest_share([one.cpu_us for one in self.counts])

    @property
    def cpu_us(self) -> float:
        """CPU time of all processes for each request."""
        return sum(one.cpu_us for one in self.counts) / max(1, sum(one.requests for one in self.counts))

    @property
    def empty_share(self) -> float:
        """Wake-ups for a connection that another process had already, for each connection."""
        return sum(one.empty_accepts for one in self.counts) / max(1, sum(one.accepted for one in self.counts))


def largest_share(values: Sequence[float]) -> float:
    """Return the largest of `values` as a share of their sum; 0 when there is nothing to share."""
    return max(values) / sum(values) if sum(values) else 0.0


def measure(options: Options, folder: Path) -> Report:
    """Load every combination in interleaved rounds of a second."""
    rounds = 1 if options.is_quick else options.rounds
    report = Report("fronts", "Several processes on one port", machine.look(), {"rounds": rounds, "seconds": 1})
    sections = []
    for count, end in product(PROCESSES, ENDS):
        rows = []
        for connections in CONNECTIONS:
            found: dict[tuple[str, str], list[Sharing]] = {way: [] for way in WAYS}
            for turn in range(rounds):
                for way in rotated(WAYS, turn):
                    found[way].append(_share(way, count, end, connections, folder))
            report.content |= {f"{count} {end} {connections} {' '.join(way)}": each for way, each in found.items()}
            rows += [_row(connections, way, found[way]) for way in WAYS]
            say(f"fronts: {count} processes, {connections} connections, {end}: done")
        kind = "connections that stay" if end == "keep" else "a connection for each request"
        header = (
            "connections, way",
            "busiest: of connections",
            "busiest: of CPU time",
            "CPU µs per request",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "woken for nothing",
            "errors",
        )
        sections.append(f"## {count} processes, {kind}\n\n{table.markdown(header, rows)}")
    method = (
        f"The floor (`bench/floor`) answers with a fixed 404; the load generator has one thread; medians of {rounds} rounds of 1 s.\n"
        '"busiest" is the largest share that one process had: 50 % and 25 % would be even.\n'
        '"woken for nothing" counts, for each connection, the wake-ups that found it accepted by another process already.'
    )
    askr_table, report.content["askr"] = _askr(options, folder, rounds)
    report.sections = [method, *sections, askr_table]
    return report


def _share(way: tuple[str, str], count: int, end: str, connections: int, folder: Path) -> Sharing:
    answer = HEAD + (b"Connection: close\r\n" if end == "close" else b"") + b"\r\n" + BODY
    with floor(folder, answer, way=way[0], count=count, accept=way[1], end=end) as running:
        seen = load.run(HOST, running.port, FIXED, connections=connections, seconds=1)
    return Sharing(seen, running.counts)


def _askr(options: Options, folder: Path, rounds: int) -> tuple[str, dict[str, list[float]]]:
    """Load Askr with several fronts; return a table and the busiest front's share of their CPU time for each load."""
    site = SITES["bare"](folder)
    content: dict[str, list[float]] = {}
    rows = []
    for count in PROCESSES:
        peer = askr(f"askr-{count}", "Askr", is_worker_mode=False, extra=("--fronts", str(count)))
        with started(peer, site, options.executors, folder) as running:
            for end, connections in product(ENDS, CONNECTIONS):
                shares, rates, errors = [], [], 0
                for _ in range(rounds):
                    seen, share = _askr_share(running, end, connections)
                    shares.append(share)
                    rates.append(seen.rate_per_s)
                    errors += seen.errors
                content[f"{count} {end} {connections}"] = shares
                kind = "stay" if end == "keep" else "one for each request"
                rows.append(
                    (
                        f"{count} fronts, {connections} connections, {kind}",
                        f"{statistics.median(shares) * 100:.0f} %",
                        table.number(statistics.median(rates)),
                        str(errors),
                    )
                )
    header = ("Askr, a fixed 404", "busiest front: of CPU time", "requests/s", "errors")
    return f"## Askr's fronts\n\n{table.markdown(header, rows)}", content


def _askr_share(running: Running, end: str, connections: int) -> tuple[load.Load, float]:
    fronts = running.edges()
    before = [processes.cpu_s([pid]) for pid in fronts]
    headers = ("Connection: close",) if end == "close" else ()
    seen = load.run(running.host, running.port, FIXED, connections=connections, seconds=1, headers=headers)
    used = [processes.cpu_s([pid]) - first for pid, first in zip(fronts, before, strict=True)]
    return seen, largest_share(used)


def _row(connections: int, way: tuple[str, str], found: list[Sharing]) -> tuple[str, ...]:
    medians = [
        statistics.median(values)
        for values in zip(
            *(
                (
                    one.busiest_connections * 100,
                    one.busiest_cpu * 100,
                    one.cpu_us,
                    one.load.rate_per_s,
                    one.load.p50_ms,
                    one.load.p99_ms,
                    one.empty_share,
                )
                for one in found
            ),
            strict=True,
        )
    ]
    return (
        f"{connections}, {TITLES[way]}",
        f"{medians[0]:.0f} %",
        f"{medians[1]:.0f} %",
        table.significant(medians[2]),
        table.number(medians[3]),
        table.significant(medians[4]),
        table.significant(medians[5]),
        table.number(medians[6], 3),
        str(sum(one.load.errors for one in found)),
    )
