"""A long run that watches what a server holds: memory, descriptors, and the books of its shared memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench import load, machine, processes, table
from bench.compare import say
from bench.documents import Document, documents
from bench.figures import growth
from bench.options import Options
from bench.paths import SetupError
from bench.peers.base import Running, Site, started
from bench.pool_view import Books, PoolView, attached
from bench.processes import wait_until
from bench.results import Report
from bench.sites import SITES

CASES = (("askr", "documents"), ("askr-worker", "documents"), ("askr-worker", "laravel"))
DOCUMENTS = {"documents": ("hello", "json", "post"), "laravel": ("laravel",)}
SLICES = 24
LEAST_LOOKS = 3  # a trend has a third to warm up, and two to compare
QUICK_REQUESTS = 6_000
SETTLE_S = 5.0
LARGEST_GROWTH = 0.02  # of the last third over the second: what is left of warming up, and noise


@dataclass(frozen=True)
class Holding:
    """What a server held after so many requests."""

    requests: int
    errors: int
    rss_bytes: int
    pss_bytes: int
    workers_private_bytes: int
    descriptors: int
    books: Books


def measure(options: Options, folder: Path) -> Report:
    """Run every case and judge it."""
    count = min(options.requests, QUICK_REQUESTS) if options.is_quick else options.requests
    settings = {"requests": count, "executors": options.executors, "connections": options.connections}
    report = Report("soak", f"{count:,} requests in each mode", machine.look(), settings)
    rows = []
    for name, site_name in CASES:
        (peer,) = options.only(name)
        case = f"{peer.title}, {site_name}"
        found = _soak(name, SITES[site_name](folder / name), options, count, folder)
        report.content[case] = found
        complaints = judge(found)
        report.failures += [f"{case}: {complaint}" for complaint in complaints]
        middle, last = found[len(found) // 3], found[-1]
        rows.append(
            (
                case,
                table.number(last.requests),
                table.number(sum(one.errors for one in found)),
                f"{table.mebibytes(middle.pss_bytes)} → {table.mebibytes(last.pss_bytes)}",
                f"{table.mebibytes(middle.rss_bytes)} → {table.mebibytes(last.rss_bytes)}",
                f"{table.mebibytes(middle.workers_private_bytes)} → {table.mebibytes(last.workers_private_bytes)}",
                f"{growth([one.pss_bytes for one in found]) * 100:+.1f} %",
                f"{middle.descriptors} → {last.descriptors}",
                "yes" if last.books.are_balanced else "no",
            )
        )
    header = (
        "server",
        "requests",
        "errors",
        "PSS MiB",
        "RSS MiB",
        "workers' own MiB",
        "PSS trend",
        "descriptors",
        "books balance",
    )
    method = (
        "What all processes held after a third of the requests and at the end; the trend compares the medians of the last and of the second third.\n"
        f"Flat means: a trend of at most {LARGEST_GROWTH * 100:.0f} %, no more descriptors than after the first third, and nothing in use in shared memory."
    )
    report.sections = [method, f"## What is held\n\n{table.markdown(header, rows)}"]
    return report


def judge(found: list[Holding]) -> list[str]:
    """Return a sentence for each thing that grew."""
    complaints = []
    share = growth([one.pss_bytes for one in found])
    if share > LARGEST_GROWTH:
        complaints.append(f"PSS grew by {share * 100:.1f} % from the second third to the last")
    warm = max(one.descriptors for one in found[: max(1, len(found) // 3)])
    if found[-1].descriptors > warm:
        complaints.append(f"{found[-1].descriptors} descriptors at the end, {warm} after the first third")
    unbalanced = [one for one in found if not one.books.are_balanced]
    if unbalanced:
        complaints.append(f"the books do not balance after {unbalanced[0].requests} requests: {unbalanced[0].books}")
    errors = sum(one.errors for one in found)
    if errors:
        complaints.append(f"{errors} errors")
    return complaints


def _soak(name: str, site: Site, options: Options, count: int, folder: Path) -> list[Holding]:
    (peer,) = options.only(name)
    known = documents()
    asked = [known[document] for document in DOCUMENTS[site.name]]
    found: list[Holding] = []
    with started(peer, site, options.executors, folder) as running, attached(running.roots[0]) as pool:
        done, turn = 0, 0
        seconds = 1.0
        while done < count or len(found) < LEAST_LOOKS:
            one = _slice(running, asked[turn % len(asked)], options.connections, seconds)
            done, turn = done + one.requests, turn + 1
            # So long that there are about SLICES of them, and at least a second, which is wrk's unit.
            seconds = max(1.0, min(10.0, count / SLICES / one.rate_per_s))
            found.append(_look(running, pool, done, one.errors, found[-1].descriptors if found else None))
            if turn % 6 == 0:
                last = found[-1]
                say(
                    f"soak {name} {site.name}: {done} requests, PSS {last.pss_bytes / 2**20:.1f} MiB, {last.descriptors} descriptors, errors {one.errors}"
                )
    return found


def _slice(running: Running, document: Document, connections: int, seconds: float) -> load.Load:
    one = load.run(running.host, running.port, document, connections=connections, seconds=seconds)
    if one.requests == 0:
        raise SetupError(f"{running.name} answers nothing any more")
    return one


def _look(running: Running, pool: PoolView, requests: int, errors: int, descriptors: int | None) -> Holding:
    # wrk has closed its connections, and what it left unread is released soon after.
    wait_until(lambda: pool.books().are_balanced, SETTLE_S)
    time.sleep(0.1)
    tree = processes.tree(running.roots)
    if descriptors is not None:  # a busy machine closes the last connections later
        wait_until(lambda: processes.descriptors(tree) <= descriptors, SETTLE_S)
    everything, workers = processes.memory(tree), processes.memory(running.executors())
    return Holding(
        requests,
        errors,
        everything.rss_bytes,
        everything.pss_bytes,
        workers.private_bytes,
        processes.descriptors(tree),
        pool.books(),
    )
