"""Memory of an idle PHP process after traffic: Askr's workers and PHP-FPM's children, on the same Laravel application."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from bench import machine, processes, table
from bench.compare import say
from bench.figures import ratio
from bench.options import Options
from bench.peers.base import Peer, Site, started
from bench.results import Report
from bench.sites import SITES
from bench.traffic import LARAVEL_TARGETS, visit

REQUESTS = 700
QUICK_REQUESTS = 140
CONNECTIONS = 8
LIMIT = 0.5


@dataclass(frozen=True)
class Footprint:
    """What a peer uses: each PHP process by itself, and everything together."""

    executors: list[processes.Memory]
    everything: processes.Memory
    processes: int

    @property
    def executor_pss_bytes(self) -> float:
        """The median PHP process's PSS."""
        return statistics.median(one.pss_bytes for one in self.executors)

    @property
    def executor_private_bytes(self) -> float:
        """The median PHP process's memory that no other process shares."""
        return statistics.median(one.private_bytes for one in self.executors)


def measure(options: Options, folder: Path) -> Report:
    """Measure one peer after the other: a library that two servers map counts half for each."""
    count = QUICK_REQUESTS if options.is_quick else REQUESTS
    report = Report(
        "memory", "Memory after traffic", machine.look(), {"requests": count, "executors": options.executors}
    )
    site = SITES["laravel"](folder)
    peers = options.only("askr-worker", "askr", "nginx-fpm")
    found = {peer.name: _footprint(peer, site, options.executors, count, folder) for peer in peers}
    report.content = dict(found)
    base = found["nginx-fpm"]
    rows = [
        (
            peer.title,
            table.mebibytes(one.executor_pss_bytes),
            table.number(ratio(one.executor_pss_bytes, base.executor_pss_bytes), 2),
            table.mebibytes(one.executor_private_bytes),
            table.mebibytes(one.everything.pss_bytes),
            table.number(ratio(one.everything.pss_bytes, base.everything.pss_bytes), 2),
            str(one.processes),
        )
        for peer in peers
        for one in (found[peer.name],)
    ]
    header = (
        "server",
        "PSS per PHP process, MiB",
        "÷",
        "not shared, MiB",
        "PSS of all processes, MiB",
        "÷",
        "processes",
    )
    method = (
        f"Laravel 13 answered {count} requests ({', '.join(f'`{target}`' for target in LARAVEL_TARGETS)} in turn) over {CONNECTIONS} connections with "
        f"{options.executors} PHP processes; then they were idle.\n"
        "PSS counts a page that n processes share as one n-th for each; per PHP process it is the median.\n"
        "All processes are the PHP processes and what belongs to the server: master, template, fronts; PHP-FPM's master, nginx."
    )
    report.sections = [method, f"## Memory\n\n{table.markdown(header, rows)}"]
    share = found["askr-worker"].executor_pss_bytes / base.executor_pss_bytes
    if share > LIMIT:
        report.failures.append(f"an idle worker has {share:.2f} of a PHP-FPM child's PSS, more than {LIMIT:g}")
    return report


def _footprint(peer: Peer, site: Site, executors: int, count: int, folder: Path) -> Footprint:
    with started(peer, site, executors, folder) as running:
        visit(running, LARAVEL_TARGETS, count=count, connections=CONNECTIONS)
        each = [processes.memory([pid]) for pid in running.executors()]
        tree = processes.tree(running.roots)
        found = Footprint(each, processes.memory(tree), len(tree))
    say(
        f"memory {peer.name}: {found.executor_pss_bytes / 2**20:.1f} MiB per PHP process, {found.everything.pss_bytes / 2**20:.1f} MiB in all"
    )
    return found
