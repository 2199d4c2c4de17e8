"""What the kernel says about processes: who is there, and what they hold."""

from __future__ import annotations

import os
import select
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROC = Path("/proc")
TCP_LISTEN = "0A"  # state column of /proc/net/tcp


def wait_until(is_true: Callable[[], bool], timeout_s: float) -> bool:
    """Return whether `is_true` held within `timeout_s`; for facts of /proc, which announces nothing."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not is_true():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.01)
    return True


def wait_exit(pid: int, timeout_s: float) -> bool:
    """Return whether the process `pid`, which need not be a child, ended within `timeout_s`."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)


def _stat(pid: int) -> tuple[str, int] | None:
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def all_pids() -> list[int]:
    """Return the identifier of every process."""
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def children_of(pid: int) -> list[int]:
    """Return the direct children of `pid`, zombies included."""
    return [other for other in all_pids() if (stat := _stat(other)) is not None and stat[1] == pid]


def tree_of(pid: int) -> list[int]:
    """Return `pid` and everything below it."""
    parents = {other: stat[1] for other in all_pids() if (stat := _stat(other)) is not None}
    found = [pid]
    for member in found:
        found.extend(other for other, parent in parents.items() if parent == member)
    return found


def is_stopped(pid: int) -> bool:
    """Whether every thread of `pid` has stopped, which each does for itself."""
    states = [
        (task / "stat").read_text().rpartition(")")[2].split()[0] for task in (PROC / str(pid) / "task").iterdir()
    ]
    return set(states) == {"T"}


def zombies_below(pid: int) -> list[int]:
    """Return the children of `pid` that ended and that it did not wait for."""
    return [child for child in children_of(pid) if (stat := _stat(child)) is not None and stat[0] == "Z"]


def pids_with_environment(entry: str) -> list[int]:
    """Return every process that was started with `NAME=value` in its environment."""
    wanted, found = entry.encode(), []
    for pid in all_pids():
        try:
            if wanted in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.append(pid)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return found


def describe(pid: int) -> str:
    """Return the identifier and command line of `pid`, for a message."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return f"{pid} ({words or (PROC / str(pid) / 'comm').read_text().strip()})"
    except (FileNotFoundError, ProcessLookupError):
        return f"{pid} (gone)"


def descriptors_of(pid: int) -> dict[int, str]:
    """Return what each open descriptor of `pid` is (`socket:[…]`, a path, `anon_inode:…`)."""
    found = {}
    for entry in (PROC / str(pid) / "fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            continue
    return found


def listening_inodes() -> set[str]:
    """Return the sockets that listen for TCP, named as in `descriptors_of`."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == TCP_LISTEN:
                found.add(f"socket:[{fields[9]}]")
    return found


def memory_files_of(pid: int) -> int:
    """Return how many mappings of memory files (memfd) `pid` has."""
    return sum("/memfd:" in line for line in (PROC / str(pid) / "maps").read_text().splitlines())


def command_name(pid: int) -> str:
    """Return the name that the process `pid` gave itself, or "" when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
