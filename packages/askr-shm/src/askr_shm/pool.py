"""A pool: the shared memory of one template, its workers, and the fronts that send them requests.

The master makes a `Pool` before it forks anything; a front uses a `FrontPort` of it. Workers in C use
the kernel directly, workers in Python (tests, tools) a `WorkerPort` (askr_shm.worker_port).
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from dataclasses import astuple, replace
from typing import Any, Final

from askr_shm._kernel import ffi, lib
from askr_shm.errors import EFULL, CorruptPool, check
from askr_shm.front_port import FrontPort
from askr_shm.records import Audit, ExchangeState, Lane, Observation, PoolSpec, WorkerCommand, WorkerRecord, WorkerState

_REPAIR_TRIES: Final = 1000


def _open_spool(directory: str | None) -> int:
    """Return a descriptor of a file that has no name, in `directory` or TMPDIR."""
    where = directory or tempfile.gettempdir()
    try:
        return os.open(where, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        # Some file systems (overlay, NFS) have no files without a name.
        if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}:
            raise
    fd, path = tempfile.mkstemp(prefix="askr-spool-", dir=where)
    os.unlink(path)  # noqa: PTH108 - a path that mkstemp has just made
    return fd


class Pool:
    """A pool's memory and descriptors; made by the master, inherited by its children.

    Attributes:
        fd: The memory (a memfd).
        spool_fd: The file for request bodies that are too large for memory; it has no name.
        eventfds: By number of the kernel's fronts (`front_number`): readable when that lane has news.
        master_eventfd: Readable when a worker became ready or leaves.
        spec: The sizes.
    """

    def __init__(self, handle: Any, spec: PoolSpec, eventfds: list[int], master_eventfd: int, spool_fd: int) -> None:
        self._handle = handle
        self.spec = spec
        self.eventfds = eventfds
        self.master_eventfd = master_eventfd
        self.spool_fd = spool_fd
        self.fd: int = lib.askr_pool_fd(handle)
        for front, eventfd in enumerate(eventfds):
            check(lib.askr_pool_bind_front(handle, front, eventfd), "bind a front's eventfd", ffi)
        check(lib.askr_pool_bind_master(handle, master_eventfd), "bind the master's eventfd", ffi)
        check(lib.askr_pool_bind_spool(handle, spool_fd), "bind the spool file", ffi)

    @classmethod
    def create(cls, spec: PoolSpec, spool_dir: str | None = None) -> Pool:
        """Make memory, eventfds and spool file.

        Args:
            spec: The sizes.
            spool_dir: Where large request bodies go; TMPDIR when None.

        Raises:
            ValueError: A size is out of range.
            OSError: The system refused memory, a descriptor or the spool file.
        """
        out = ffi.new("askr_pool **")
        lanes = spec.fronts * len(Lane)
        inside = replace(spec, fronts=lanes)
        check(lib.askr_pool_create(ffi.new("askr_pool_spec *", astuple(inside)), out), "create a pool", ffi)
        with contextlib.ExitStack() as undo:
            undo.callback(lib.askr_pool_detach, out[0])
            descriptors = []
            for _ in range(lanes + 1):
                descriptors.append(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
                undo.callback(os.close, descriptors[-1])
            spool_fd = _open_spool(spool_dir)
            undo.callback(os.close, spool_fd)
            pool = cls(out[0], spec, descriptors[1:], descriptors[0], spool_fd)
            undo.pop_all()
        return pool

    @property
    def handle(self) -> Any:
        """The kernel's handle, for ports and tests."""
        if self._handle is None:
            message = "the pool is closed"
            raise ValueError(message)
        return self._handle

    def front_number(self, index: int, lane: Lane) -> int:
        """Return the number that the kernel has for a lane of front process `index`.

        Raises:
            ValueError: There is no such front.
        """
        if not 0 <= index < self.spec.fronts:
            message = f"there is no front {index}"
            raise ValueError(message)
        return index * len(Lane) + lane

    def front(self, index: int, lane: Lane = Lane.LOOP) -> FrontPort:
        """Return the port of a lane of front process `index`, to be used by one thread of that process only.

        Raises:
            ValueError: There is no such front.
        """
        return FrontPort(self, self.front_number(index, lane))

    def _repair(self, repair: Any, index: int, what: str) -> int:
        for _ in range(_REPAIR_TRIES):
            code: int = repair(self.handle, index)
            if code != EFULL:  # no room for a hint: live workers make room
                return check(code, what, ffi)
        return check(EFULL, what, ffi)

    def repair_worker(self, index: int) -> int:
        """Settle what worker `index` held; only after it has been waited for, and before its index is used again.

        Its running exchange becomes FAILED, and its front is told.

        Returns:
            How many exchanges changed hands.

        Raises:
            ValueError: There is no such worker.
            PoolFull: Hints of queued requests could not be put back, because no worker takes any; call again.
        """
        return self._repair(lib.askr_pool_repair_worker, index, "repair a worker")

    def repair_front(self, index: int) -> int:
        """Settle what both lanes of front process `index` held; only after it has been waited for, and before its index is used again.

        What it queued or had not read is released; what runs is released by its worker at the end.

        Returns:
            How many exchanges changed hands.

        Raises:
            ValueError: There is no such front.
            PoolFull: As for `repair_worker`.
        """
        numbers = [self.front_number(index, lane) for lane in Lane]
        return sum(self._repair(lib.askr_pool_repair_front, number, "repair a front") for number in numbers)

    def command(self, worker: int, command: WorkerCommand) -> None:
        """Tell a worker what to do, and wake it.

        Raises:
            ValueError: There is no such worker.
        """
        check(lib.askr_worker_command(self.handle, worker, command), "command a worker", ffi)

    def worker(self, index: int) -> WorkerRecord:
        """Return what is known of a worker.

        Raises:
            ValueError: There is no such worker.
        """
        view = ffi.new("askr_worker_view *")
        check(lib.askr_worker_view_get(self.handle, index, view), "look at a worker", ffi)
        try:
            state, command = WorkerState(view.state), WorkerCommand(view.command)
        except ValueError:
            message = f"the record of worker {index} was written over"
            raise CorruptPool(message) from None
        return WorkerRecord(view.pid, state, command, view.requests, view.exchange, view.since_mono_ns)

    def assign(self, index: int, pid: int) -> None:
        """Note the process of a worker whose record is cleared.

        Raises:
            ValueError: There is no such worker, or the record is in use.
        """
        check(lib.askr_worker_assign(self.handle, index, pid), "assign a worker", ffi)

    def clear(self, index: int) -> None:
        """Empty the record of a worker that is gone and repaired.

        Raises:
            ValueError: There is no such worker.
        """
        check(lib.askr_worker_clear(self.handle, index), "clear a worker", ffi)

    def audit(self) -> Audit:
        """Return the books."""
        view = ffi.new("askr_pool_audit_view *")
        check(lib.askr_pool_audit(self.handle, view), "audit a pool", ffi)
        states = {state: view.exchanges[state] for state in ExchangeState}
        return Audit(states, view.blocks_used, view.blocks_free, view.blocks_lost, view.queue_depth)

    def close(self) -> None:
        """Unmap the memory and close the descriptors, in this process; again is nothing."""
        if self._handle is None:
            return
        lib.askr_pool_detach(self._handle)
        self._handle = None
        for fd in (*self.eventfds, self.master_eventfd, self.spool_fd):
            os.close(fd)


__all__ = [
    "Audit",
    "ExchangeState",
    "FrontPort",
    "Lane",
    "Observation",
    "Pool",
    "PoolSpec",
    "WorkerCommand",
    "WorkerRecord",
    "WorkerState",
]
