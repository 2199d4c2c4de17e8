"""System calls for each answer: strace counts them while wrk asks."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.paths import SetupError, tool

ATTACH_S = 10.0


@dataclass
class Calls:
    """How often each system call was made, and how often it failed."""

    counts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)


def parse(text: str) -> Calls:
    """Read the table of `strace -c`: time, seconds, microseconds per call, calls, errors (where there are any), name."""
    found = Calls()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 5 or not fields[0].replace(".", "").isdigit() or fields[-1] == "total":
            continue
        found.counts[fields[-1]] = int(fields[3])
        if len(fields) == 6:
            found.errors[fields[-1]] = int(fields[4])
    return found


@contextmanager
def counted(pids: Sequence[int], folder: Path) -> Iterator[Calls]:
    """Count the system calls of the processes `pids`, all of their threads, while the block runs; the result is filled at its end.

    Raises SetupError when they cannot be traced.
    """
    found = Calls()
    out = folder / f"strace-{pids[0]}"
    words = [tool("strace", "strace"), "-c", "-f", "-o", os.fspath(out)]
    for pid in pids:
        words += ["-p", str(pid)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        _wait_attached(process, len(pids))
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=ATTACH_S)
    whole = parse(out.read_text())
    found.counts, found.errors = whole.counts, whole.errors


def _wait_attached(process: subprocess.Popen[str], count: int) -> None:
    assert process.stderr is not None
    deadline, text = time.monotonic() + ATTACH_S, ""
    # One line for each process, however many threads it has.
    while text.count(" attached") < count:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stderr], [], [], left)[0]:
            raise SetupError(f"strace did not attach to {count} processes: {text}")
        part = os.read(process.stderr.fileno(), 65536).decode(errors="replace")
        if not part:
            raise SetupError(f"strace ended: {text}")
        text += part
