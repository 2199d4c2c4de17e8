"""Ten thousand connections that wait: memory of the processes that hold them, and how often these wake up meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import machine, processes, table
from bench.compare import say
from bench.crowd import allow_descriptors, idle_connections
from bench.documents import documents
from bench.options import Options
from bench.peers.askr import peer as askr
from bench.peers.base import Peer, Site, started
from bench.peers.registry import PEERS
from bench.results import Report
from bench.sites import SITES

CONNECTIONS = 10_000
QUICK_CONNECTIONS = 2_000
WARM_CONNECTIONS = 200  # so that what is set up once is there before the first look
WATCH_S = 10.0
SETTLE_S = 3.0  # the last acknowledgements, and what is done a moment after a connection's last word
QUIET_S = 20.0  # until timers of the last requests are over: 15 s for a head, which are only looked at when they fire
LIMIT_BYTES = 3072
# Two fronts, as nginx has two worker processes: Askr counts with a file beside each connection, and a machine's limit of
# descriptors for a process is 20,000 or so in many places.
FLAGS = ("--fronts", "2", "--max-connections", "12000", "--keepalive-timeout", "600")


@dataclass(frozen=True)
class Idle:
    """What `connections` waiting connections cost.

    `pss_bytes` and `private_bytes` are what the processes that hold them have more than before; `kernel_bytes` is what the
    kernel's caches grew by, for both ends; `edge_wakes` and `other_wakes` are returns from waiting within `watched_s`, by thread.
    """

    connections: int
    pss_bytes: int
    private_bytes: int
    kernel_bytes: int
    watched_s: float
    edge_wakes: dict[str, int]
    other_wakes: dict[str, int]

    @property
    def bytes_each(self) -> float:
        """User memory for each connection."""
        return max(self.pss_bytes, self.private_bytes) / self.connections


def measure(options: Options, folder: Path) -> Report:
    """Measure Askr over both wires, and nginx."""
    count = QUICK_CONNECTIONS if options.is_quick else CONNECTIONS
    settings = {"connections": count, "watched_s": WATCH_S}
    report = Report("idle", f"{count:,} idle connections", machine.look(), settings)
    site = SITES["documents"](folder)
    peers = [
        askr("askr", "Askr, native wire", is_worker_mode=False, extra=FLAGS),
        askr("askr-pure", "Askr, pure wire", is_worker_mode=False, wire="pure", extra=FLAGS),
        PEERS["nginx-fpm"],
    ]
    rows = []
    for peer in peers:
        found = _idle(peer, site, options, count, folder)
        report.content[peer.name] = found
        edge, other = sum(found.edge_wakes.values()), sum(found.other_wakes.values())
        say(
            f"idle {peer.name}: {found.bytes_each:.0f} bytes each, {edge} wake-ups of those that hold them {found.edge_wakes}, {other} of others"
        )
        rows.append(
            (
                peer.title,
                table.number(found.pss_bytes / count),
                table.number(found.private_bytes / count),
                table.number(found.kernel_bytes / count),
                str(edge),
                str(other),
            )
        )
        if peer.name == "askr":
            report.failures += complaints(found)
    header = (
        "server",
        "PSS, bytes each",
        "not shared, bytes each",
        "kernel, bytes each",
        "wake-ups",
        "of other processes",
    )
    method = (
        f"{count:,} connections, each with one answer of `/hello.php` behind it, stay open without a word; Askr has two fronts, nginx two worker processes.\n"
        "Bytes are what the processes that hold them have more than before, divided by the connections; "
        f"{WARM_CONNECTIONS} connections had come and gone before the first look.\n"
        '"kernel" is the growth of its caches (`Slab` in /proc/meminfo), and both ends are on this machine, so a server\'s part is about half.\n'
        f"Wake-ups are returns from waiting within {WATCH_S:g} s, from {QUIET_S:g} s after the last answer on: of the processes that hold the connections, and of all others of the server.\n"
        f"The limits for Askr: {LIMIT_BYTES} bytes each, and no wake-up."
    )
    report.sections = [method, f"## What waiting costs\n\n{table.markdown(header, rows)}"]
    return report


def complaints(found: Idle) -> list[str]:
    """Return a sentence for each limit that is broken."""
    broken = []
    if found.bytes_each > LIMIT_BYTES:
        broken.append(f"{found.bytes_each:.0f} bytes for each idle connection, more than {LIMIT_BYTES}")
    woken = {name: count for name, count in found.edge_wakes.items() if count}
    if woken:
        broken.append(f"woken while idle within {found.watched_s:g} s: {woken}")
    return broken


def _idle(peer: Peer, site: Site, options: Options, count: int, folder: Path) -> Idle:
    allow_descriptors(count)  # the server inherits the limit
    hello = documents()["hello"].expected or b""
    with started(peer, site, options.executors, folder) as running:
        with idle_connections(running.port, WARM_CONNECTIONS, "/hello.php", hello):
            pass
        time.sleep(SETTLE_S)
        edges = running.edges()
        before, kernel_before = processes.memory(edges), processes.slab_bytes()
        with idle_connections(running.port, count, "/hello.php", hello):
            time.sleep(SETTLE_S)
            after, kernel_after = processes.memory(edges), processes.slab_bytes()
            time.sleep(QUIET_S)
            others = [pid for pid in processes.tree(running.roots) if pid not in edges]
            edge_before, other_before = processes.wakes(edges), processes.wakes(others)
            time.sleep(WATCH_S)
            edge_after, other_after = processes.wakes(edges), processes.wakes(others)
    return Idle(
        count,
        after.pss_bytes - before.pss_bytes,
        after.private_bytes - before.private_bytes,
        kernel_after - kernel_before,
        WATCH_S,
        by_name(edge_before, edge_after),
        by_name(other_before, other_after),
    )


def by_name(before: Iterable[processes.Wakes], after: Iterable[processes.Wakes]) -> dict[str, int]:
    """Return how often threads woke up between two looks, added up by their names."""
    first = {one.thread: one.count for one in before}
    found: dict[str, int] = {}
    for one in after:
        found[one.name] = found.get(one.name, 0) + one.count - first.get(one.thread, 0)
    return found
