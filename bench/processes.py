"""What /proc says about processes: CPU time, memory, descriptors, names, deaths."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that matter here; times are in clock ticks (proc(5))."""

    name: str
    parent: int
    cpu_ticks: int
    ended_children_ticks: int


@dataclass(frozen=True)
class Memory:
    """Memory of some processes: RSS counts a shared page once per process, PSS by shares, private what nobody shares."""

    rss_bytes: int
    pss_bytes: int
    private_bytes: int


def parse_stat(text: str) -> Stat:
    """Read a line of /proc/PID/stat; the name in it may contain anything, brackets and blanks too."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    user, system, ended_user, ended_system = map(int, fields[11:15])
    return Stat(head.partition("(")[2], int(fields[1]), user + system, ended_user + ended_system)


def parse_memory(text: str) -> Memory:
    """Read /proc/PID/smaps_rollup."""
    sizes = dict.fromkeys(("Rss:", "Pss:", "Private_Clean:", "Private_Dirty:"), 0)
    for line in text.splitlines():
        key, _, rest = line.partition(" ")
        if key in sizes:
            sizes[key] = int(rest.split()[0]) * 1024
    return Memory(sizes["Rss:"], sizes["Pss:"], sizes["Private_Clean:"] + sizes["Private_Dirty:"])


def _stats() -> dict[int, Stat]:
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = parse_stat((entry / "stat").read_text(errors="replace"))
            except GONE:
                continue
    return found


def tree(roots: Iterable[int]) -> list[int]:
    """Return the processes of `roots` that live, and everything below them."""
    stats = _stats()
    return _below(stats, roots)


def _below(stats: dict[int, Stat], roots: Iterable[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found = [pid for pid in roots if pid in stats]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu_s(roots: Iterable[int]) -> float:
    """Return the CPU time, user and system, that the trees of `roots` have used, in seconds.

    What ended children used is in their parent's account once it has waited for them, so the sum over those who live misses nothing.
    A process that ends while /proc is read may be in neither account, so it is read until two readings find the same processes.
    """
    wanted = list(roots)
    before: list[int] | None = None
    while True:
        stats = _stats()
        found = sorted(_below(stats, wanted))
        if found == before:
            return sum(stats[pid].cpu_ticks + stats[pid].ended_children_ticks for pid in found) / TICKS_PER_S
        before = found


def named(roots: Iterable[int], name: str) -> list[int]:
    """Return the processes in the trees of `roots` whose name starts with `name`."""
    stats = _stats()
    return [pid for pid in _below(stats, roots) if stats[pid].name.startswith(name)]


def children(pid: int) -> list[int]:
    """Return the children of `pid`."""
    return [child for child, stat in _stats().items() if stat.parent == pid]


def memory(pids: Iterable[int]) -> Memory:
    """Return what the processes `pids` use together; one that ends meanwhile counts nothing."""
    rss = pss = private = 0
    for pid in pids:
        try:
            one = parse_memory((PROC / str(pid) / "smaps_rollup").read_text())
        except GONE:
            continue
        rss += one.rss_bytes
        pss += one.pss_bytes
        private += one.private_bytes
    return Memory(rss, pss, private)


@dataclass(frozen=True)
class Wakes:
    """How often a thread returned from waiting so far: its voluntary context switches."""

    thread: int
    name: str
    count: int


def parse_wakes(thread: int, text: str) -> Wakes:
    """Read /proc/PID/task/THREAD/status."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return Wakes(thread, fields["Name"].strip(), int(fields["voluntary_ctxt_switches"]))


def wakes(pids: Iterable[int]) -> list[Wakes]:
    """Return the wake-ups of all threads of the processes `pids`."""
    found = []
    for pid in pids:
        for entry in (PROC / str(pid) / "task").iterdir():
            try:
                found.append(parse_wakes(int(entry.name), (entry / "status").read_text(errors="replace")))
            except GONE:
                continue
    return found


def slab_bytes() -> int:
    """Return the size of the kernel's caches, sockets included."""
    for line in (PROC / "meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0


def descriptors(pids: Iterable[int]) -> int:
    """Return how many descriptors the processes `pids` have open."""
    count = 0
    for pid in pids:
        try:
            count += len(os.listdir(PROC / str(pid) / "fd"))  # noqa: PTH208 - only their number matters
        except GONE:
            continue
    return count


@contextmanager
def pidfd(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when `pid` dies."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def wait_exit(descriptor: int, timeout_s: float) -> bool:
    """Return whether the process of a pidfd ended within `timeout_s`."""
    return bool(select.select([descriptor], [], [], timeout_s)[0])


def wait_until(is_true: Callable[[], bool], timeout_s: float, pause_s: float = 0.01) -> bool:
    """Return whether `is_true` held within `timeout_s`: for what no descriptor announces."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
