"""Build the floor when its sources are newer, start it, and read what its processes did."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.paths import CHECKOUT, SetupError, tool

SOURCES = Path(__file__).resolve().parent
BINARY = CHECKOUT / "build/bench/floor"
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror")
LOOPS = ("epoll", "io_uring", "io_uring-multishot")
WAYS = ("reuseport", "shared", "exclusive")
STOP_S = 10.0


@dataclass(frozen=True)
class Counts:
    """What one process of the floor did; `cpu_us` is its whole CPU time."""

    accepted: int
    requests: int
    turns: int
    empty_accepts: int
    cpu_us: int


@dataclass
class Floor:
    """A floor that listens; `counts` is filled when it has ended, one for each process."""

    port: int
    pid: int
    counts: list[Counts] = field(default_factory=list)


def binary() -> Path:
    """Return the program, compiled anew when a source is newer.

    Raises SetupError when it cannot be compiled.
    """
    sources = sorted(SOURCES.glob("*.[ch]"))
    if BINARY.exists() and BINARY.stat().st_mtime > max(path.stat().st_mtime for path in sources):
        return BINARY
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    units = [str(path) for path in sources if path.suffix == ".c"]
    done = subprocess.run(
        [tool("cc", "gcc"), *FLAGS, "-o", str(BINARY), *units, "-luring"], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SetupError(f"the floor was not compiled; liburing is there after: make need-bench\n{done.stderr}")
    return BINARY


@contextmanager
def floor(
    folder: Path,
    answer: bytes,
    *,
    loop: str = "epoll",
    way: str = "shared",
    count: int = 1,
    accept: str = "many",
    end: str = "keep",
) -> Iterator[Floor]:
    """A floor of `count` processes that answers each request with `answer`.

    `accept` is one or many (connections in a turn), `end` keep or close (after each answer).

    Raises SetupError when it does not start.
    """
    path = folder / "answer"
    path.write_bytes(answer)
    words = [os.fspath(binary()), loop, way, str(count), os.fspath(path), accept, end]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    if not line:
        raise SetupError(f"the floor did not start: {process.communicate()[1].strip()}")
    found = Floor(int(json.loads(line)["port"]), process.pid)
    try:
        yield found
    finally:
        process.terminate()
        out, err = process.communicate(timeout=STOP_S)
    if process.returncode != 0:
        raise SetupError(f"the floor failed: {err.strip()}")
    found.counts += [Counts(**one) for one in json.loads(out)["processes"]]
