"""One front's end of a pool (askr_pool.h), beside `worker_port`, which is a worker's."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from askr_shm._kernel import ffi, lib
from askr_shm.errors import EINVAL, CorruptPool, check
from askr_shm.records import ExchangeState, Observation

if TYPE_CHECKING:
    from askr_shm.pool import Pool

_BUFFER_BYTES: Final = 128 * 1024
_NEWS_AT_ONCE: Final = 256
_STATES: Final = tuple(ExchangeState)


class FrontPort:
    """One front's end of a pool; not thread safe.

    Args:
        pool: The pool.
        number: Of the front, as the kernel counts them (Pool.front_number).

    Attributes:
        eventfd: Readable when `completions` has something, once it has returned an empty list.
    """

    def __init__(self, pool: Pool, number: int) -> None:
        self._pool = pool
        self._front = number
        self.eventfd = pool.eventfds[number]
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

    def wake_another(self) -> None:
        """Wake one more worker if requests are queued: the one that was woken may be stopped, or find no CPU."""
        lib.askr_front_wake_another(self._pool.handle)

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
