"""Look into the shared memory of a running server: which exchanges and blocks are in use, and what its workers do."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from askr_shm._kernel import ffi, lib
from tests.support import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

EXCHANGE_STATES = ("free", "filling", "queued", "running", "done", "failed")
UP = (lib.ASKR_WORKER_IDLE, lib.ASKR_WORKER_BUSY)


@dataclass(frozen=True)
class Books:
    """A snapshot of a pool; `lost_blocks` belong to an exchange that is free, which must not be once all is quiet."""

    exchanges: dict[str, int]
    used_blocks: int
    lost_blocks: int

    @property
    def are_balanced(self) -> bool:
        """Whether nothing is in use or lost."""
        return (
            self.used_blocks
            == self.lost_blocks
            == 0
            == sum(n for state, n in self.exchanges.items() if state != "free")
        )


@contextmanager
def pool_of(master: int) -> Iterator[BooksReader]:
    """Map the pool of the server whose master is `master`."""
    path = next(f"/proc/{master}/fd/{fd}" for fd, what in processes.descriptors_of(master).items() if "memfd:" in what)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    handle = ffi.new("askr_pool **")
    try:
        assert lib.askr_pool_attach(descriptor, handle) == lib.ASKR_OK
    finally:
        os.close(descriptor)
    try:
        yield BooksReader(handle[0])
    finally:
        lib.askr_pool_detach(handle[0])


class BooksReader:
    """Reads a mapped pool."""

    def __init__(self, handle: object) -> None:
        """Read from `handle`, an askr_pool."""
        self._handle = handle

    def books(self) -> Books:
        """Return what is in use now."""
        view = ffi.new("askr_pool_audit_view *")
        assert lib.askr_pool_audit(self._handle, view) == lib.ASKR_OK
        return Books(dict(zip(EXCHANGE_STATES, view.exchanges, strict=True)), view.blocks_used, view.blocks_lost)

    def busy_pid(self, workers: int) -> int:
        """Return the process id of the first busy one of the first `workers` workers, 0 when none is."""
        return next((int(view.pid) for view in self._views(workers) if view.state == lib.ASKR_WORKER_BUSY), 0)

    def worker_pids(self, workers: int) -> list[int]:
        """Return the process ids of those of the first `workers` workers that take requests."""
        return [int(view.pid) for view in self._views(workers) if view.state in UP]

    def _views(self, workers: int) -> list[Any]:
        views = [ffi.new("askr_worker_view *") for _ in range(workers)]
        for index, view in enumerate(views):
            assert lib.askr_worker_view_get(self._handle, index, view) == lib.ASKR_OK
        return views
