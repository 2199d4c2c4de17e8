"""Look into the shared memory of a running Askr: its workers' records and its books.

The memory is a file without a name that the master holds; /proc gives another process of the same user a descriptor of it.
Nothing is written there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.paths import SetupError

try:
    from askr_shm._kernel import ffi, lib
    from askr_shm.pool import ExchangeState, WorkerState
except ImportError as error:
    raise SetupError("askr-shm's kernel is not built; run: make dev") from error

MEMORY_FILE = "/memfd:askr"
STATES = tuple(ExchangeState)


@dataclass(frozen=True)
class Worker:
    """A worker's record: `since_s` is when its state last changed, on the monotonic clock."""

    index: int
    pid: int
    is_idle: bool
    requests: int
    since_s: float


@dataclass(frozen=True)
class Books:
    """The books: exchanges by state, and blocks of the slab."""

    exchanges: dict[str, int]
    blocks_used: int
    blocks_free: int
    blocks_lost: int
    queue_depth: int

    @property
    def are_balanced(self) -> bool:
        """Whether nothing is in use: what an idle server must show."""
        busy = sum(count for state, count in self.exchanges.items() if state != ExchangeState.FREE.name)
        return busy == self.blocks_used == self.blocks_lost == self.queue_depth == 0


class PoolView:
    """The pool of one running Askr; use `attached`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        spec = ffi.new("askr_pool_spec *")
        lib.askr_pool_spec_get(handle, spec)
        self._workers = int(spec.workers)

    def workers(self) -> list[Worker]:
        """Return the records in use."""
        found = []
        view = ffi.new("askr_worker_view *")
        for index in range(self._workers):
            lib.askr_worker_view_get(self._handle, index, view)
            if view.pid:
                is_idle = view.state == WorkerState.IDLE
                found.append(Worker(index, view.pid, is_idle, view.requests, view.since_mono_ns / 1e9))
        return found

    def worker(self, index: int) -> Worker:
        """Return one record, in use or not."""
        view = ffi.new("askr_worker_view *")
        lib.askr_worker_view_get(self._handle, index, view)
        return Worker(index, view.pid, view.state == WorkerState.IDLE, view.requests, view.since_mono_ns / 1e9)

    def books(self) -> Books:
        """Return the books; exact when nothing moves."""
        view = ffi.new("askr_pool_audit_view *")
        lib.askr_pool_audit(self._handle, view)
        states = {state.name: int(view.exchanges[state]) for state in STATES}
        return Books(states, view.blocks_used, view.blocks_free, view.blocks_lost, view.queue_depth)


@contextmanager
def attached(master: int) -> Iterator[PoolView]:
    """The pool of the Askr whose master is process `master`.

    Raises SetupError when that process holds no such memory.
    """
    descriptors = Path(f"/proc/{master}/fd")
    path = next((entry for entry in descriptors.iterdir() if os.readlink(entry).startswith(MEMORY_FILE)), None)  # noqa: PTH115 - the link leads to no file
    if path is None:
        raise SetupError(f"process {master} holds no memory file of Askr")
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        out = ffi.new("askr_pool **")
        code = lib.askr_pool_attach(descriptor, out)
        if code < 0:
            raise SetupError(f"the memory of process {master} cannot be attached: error {code}")
    finally:
        os.close(descriptor)
    try:
        yield PoolView(out[0])
    finally:
        lib.askr_pool_detach(out[0])
