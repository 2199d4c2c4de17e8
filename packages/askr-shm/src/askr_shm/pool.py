"""A pool: the shared memory of one template, its workers, and the fronts that send them requests.

The master makes a `Pool` before it forks anything; a front uses a `FrontPort` of it. Workers in C use
the kernel directly, workers in Python (tests, tools) a `WorkerPort` (askr_shm.worker_port).
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any, Final

from askr_shm._kernel import ffi, lib
from askr_shm.errors import EFULL, EINVAL, CorruptPool, check

_BUFFER_BYTES: Final = 128 * 1024
_NEWS_AT_ONCE: Final = 256
_REPAIR_TRIES: Final = 1000


class WorkerCommand(IntEnum):
    """What the master wants of a worker."""

    RUN = 0
    DRAIN = 1


class WorkerState(IntEnum):
    """What a worker does."""

    EMPTY = 0
    STARTING = 1
    IDLE = 2
    BUSY = 3
    LEAVING = 4


class ExchangeState(IntEnum):
    """Where an exchange is."""

    FREE = 0
    FILLING = 1
    QUEUED = 2
    RUNNING = 3
    DONE = 4
    FAILED = 5


@dataclass(frozen=True)
class PoolSpec:
    """How large a pool is.

    `exchanges` (a power of two) bounds the requests at once, waiting ones included; `blocks` times `block_bytes` the bytes of requests and responses
    in shared memory; `spool_stride_bytes` the size of one spooled request body.
    """

    exchanges: int = 1024
    blocks: int = 4096
    block_bytes: int = 16384
    fronts: int = 1
    workers: int = 512
    spool_stride_bytes: int = 1 << 30


@dataclass(frozen=True)
class WorkerRecord:
    """What is known of a worker from outside.

    `requests` counts those served since it started; `exchange` is what it runs (0: nothing); `since_mono_ns` is when `state` last changed.
    """

    pid: int
    state: WorkerState
    command: WorkerCommand
    requests: int
    exchange: int
    since_mono_ns: int


@dataclass(frozen=True)
class Audit:
    """The books of a pool: a snapshot that is exact when nothing moves.

    `blocks_lost` counts blocks whose exchange is free: 0 unless a release is just under way.
    """

    exchanges: dict[ExchangeState, int]
    blocks_used: int
    blocks_free: int
    blocks_lost: int
    queue_depth: int


@dataclass(frozen=True, slots=True)
class Observation:
    """An exchange as its front sees it.

    `head_size_bytes` is 0 until the whole response head can be read; `readable_bytes` counts what is published and not read, head included.
    """

    state: ExchangeState
    head_size_bytes: int
    readable_bytes: int
    is_final: bool
    is_failed: bool
    is_cancelled: bool


_STATES: Final = tuple(ExchangeState)


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
        eventfds: By front: readable when it has news.
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
        check(lib.askr_pool_create(ffi.new("askr_pool_spec *", astuple(spec)), out), "create a pool", ffi)
        with contextlib.ExitStack() as undo:
            undo.callback(lib.askr_pool_detach, out[0])
            descriptors = []
            for _ in range(spec.fronts + 1):
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

    def front(self, index: int) -> FrontPort:
        """Return the port of front `index`, to be used in that front's process only.

        Raises:
            ValueError: There is no such front.
        """
        if not 0 <= index < self.spec.fronts:
            message = f"there is no front {index}"
            raise ValueError(message)
        return FrontPort(self, index)

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
        """Settle what front `index` held; only after it has been waited for, and before its index is used again.

        What it queued or had not read is released; what runs is released by its worker at the end.

        Returns:
            How many exchanges changed hands.

        Raises:
            ValueError: There is no such front.
            PoolFull: As for `repair_worker`.
        """
        return self._repair(lib.askr_pool_repair_front, index, "repair a front")

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


class FrontPort:
    """One front's end of a pool; not thread safe.

    Attributes:
        eventfd: Readable when `completions` has something, once it has returned an empty list.
    """

    def __init__(self, pool: Pool, index: int) -> None:
        self._pool = pool
        self._front = index
        self.eventfd = pool.eventfds[index]
        self._xid = ffi.new("askr_xid *")
        self._view = ffi.new("askr_exchange_view *")
        self._news = ffi.new("askr_xid[]", _NEWS_AT_ONCE)
        self._buffer = ffi.new("uint8_t[]", _BUFFER_BYTES)

    def open(self) -> int:
        """Return a new exchange.

        Raises:
            PoolFull: All are in use.
        """
        check(lib.askr_front_open(self._pool.handle, self._front, self._xid), "open an exchange", ffi)
        return int(self._xid[0])

    def write_request(self, xid: int, data: bytes | memoryview) -> None:
        """Append to the request: the encoded head first, then the body; all of `data` or nothing.

        Raises:
            PoolFull: There are not enough free blocks.
            StaleExchange: The exchange is not being filled.
        """
        view = ffi.from_buffer(data)
        check(lib.askr_front_write(self._pool.handle, xid, view, len(view)), "write a request", ffi)

    def spool(self, xid: int, data: bytes | memoryview, offset: int) -> None:
        """Write body bytes into this exchange's range of the spool file.

        Raises:
            OSError: The file system refused (ENOSPC ...), or the body is longer than the range (EFBIG).
            StaleExchange: The exchange is not being filled.
        """
        view = ffi.from_buffer(data)
        if offset + len(view) > self._pool.spec.spool_stride_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        check(lib.askr_front_spool(self._pool.handle, xid, view, len(view), offset), "spool a request body", ffi)

    def submit(
        self, xid: int, *, head_size_bytes: int, body_size_bytes: int, is_spooled: bool, deadline_mono_ns: int
    ) -> None:
        """Hand the request to whichever worker is idle first.

        Args:
            xid: The exchange.
            head_size_bytes: How many bytes of `write_request` are the head.
            body_size_bytes: How many are the body, in memory or in the spool.
            is_spooled: The whole body is in the spool.
            deadline_mono_ns: A worker that takes it later (CLOCK_MONOTONIC) gives it back as failed; 0: never.

        Raises:
            PoolFull: The queue has no room.
            StaleExchange: The exchange is not being filled.
            ValueError: The sizes are not those of what was written.
        """
        code = lib.askr_front_submit(
            self._pool.handle, xid, head_size_bytes, body_size_bytes, is_spooled, deadline_mono_ns
        )
        check(code, "submit a request", ffi)

    def completions(self) -> list[int]:
        """Return the exchanges that have news, each once; from an empty list on, `eventfd` tells when there are more."""
        found: dict[int, None] = {}
        while True:
            count = check(
                lib.askr_front_next_many(self._pool.handle, self._front, self._news, _NEWS_AT_ONCE),
                "look for news",
                ffi,
            )
            if count:
                found.update(dict.fromkeys(self._news[0:count]))
            if count < _NEWS_AT_ONCE:
                return list(found)

    def observe(self, xid: int) -> Observation:
        """Return how far an exchange is.

        Raises:
            StaleExchange: It was released.
        """
        view = self._view
        check(lib.askr_front_observe(self._pool.handle, xid, view), "observe an exchange", ffi)
        state = view.state
        if state > ExchangeState.FAILED:
            message = f"exchange {xid:#x} has state {state}"
            raise CorruptPool(message)
        return Observation(
            _STATES[state],
            view.head_bytes,
            view.readable_bytes,
            state >= ExchangeState.DONE,
            state == ExchangeState.FAILED,
            view.is_cancelled != 0,
        )

    def read_response(self, xid: int, limit: int) -> bytes:
        """Return up to `limit` response bytes, head first; fewer when fewer are there, none when none are.

        Raises:
            StaleExchange: The exchange was released.
            CorruptPool: A process wrote over the response's blocks; the exchange is to be given up.
        """
        parts: list[bytes] = []
        while limit > 0:
            wanted = min(limit, _BUFFER_BYTES)
            n = lib.askr_front_read(self._pool.handle, xid, self._buffer, wanted)
            if n == EINVAL:
                message = f"the response of exchange {xid:#x} was written over"
                raise CorruptPool(message)
            check(n, "read a response", ffi)
            if n:
                parts.append(ffi.buffer(self._buffer, n)[:])
            if n < wanted:
                break
            limit -= n
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def cancel(self, xid: int) -> bool:
        """Give an exchange up.

        Returns:
            True when it had not started and is released; False when it is marked as cancelled, and is to be observed until it is final, then released.

        Raises:
            StaleExchange: It was released.
        """
        return check(lib.askr_front_cancel(self._pool.handle, xid), "cancel an exchange", ffi) == 1

    def release(self, xid: int) -> None:
        """Give back an exchange that is being filled or final, and all that belongs to it.

        Raises:
            StaleExchange: It was released.
            TryAgain: It is queued or runs.
        """
        check(lib.askr_front_release(self._pool.handle, xid), "release an exchange", ffi)


__all__ = [
    "Audit",
    "ExchangeState",
    "FrontPort",
    "Observation",
    "Pool",
    "PoolSpec",
    "WorkerCommand",
    "WorkerRecord",
    "WorkerState",
]
