"""A worker's end of a pool in Python: for tests of fronts without PHP, and for tools.

Real workers are in C (askr-php) and use the same kernel functions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from askr_shm._kernel import ffi, lib
from askr_shm.errors import EAGAIN, ECANCELED, check
from askr_shm.head import Header, RequestHead, decode_request_head, encode_response_head
from askr_shm.pool import Pool

_BUFFER_BYTES = 128 * 1024


@dataclass(frozen=True)
class TakenRequest:
    """A request that this worker runs; `body_size_bytes` are to be read with `read_request`."""

    xid: int
    head: RequestHead
    body_size_bytes: int


class WorkerPort:
    """One worker's end of a pool; not thread safe.

    Args:
        pool: The pool, inherited from the master.
        index: The worker's number; its record is cleared or assigned.
    """

    def __init__(self, pool: Pool, index: int) -> None:
        self._pool = pool
        self._worker = index
        self._xid = ffi.new("askr_xid *")
        self._buffer = ffi.new("uint8_t[]", _BUFFER_BYTES)

    def assign(self) -> None:
        """Note this process in the worker's record, as a master does."""
        self._pool.assign(self._worker, os.getpid())

    def ready(self) -> None:
        """Say that this worker can take requests."""
        check(lib.askr_worker_ready(self._pool.handle, self._worker), "become ready", ffi)

    def leave(self) -> None:
        """Say that this worker takes no more requests."""
        check(lib.askr_worker_leave(self._pool.handle, self._worker), "leave", ffi)

    def take_xid(self, timeout_s: float | None = None) -> int | None:
        """Wait for a request and return its exchange; None when time is up.

        Raises:
            Cancelled: The master told this worker to drain.
        """
        timeout_ns = -1 if timeout_s is None else int(timeout_s * 1e9)
        code = lib.askr_worker_take(self._pool.handle, self._worker, timeout_ns, self._xid)
        if code == EAGAIN:
            return None
        check(code, "take a request", ffi)
        return int(self._xid[0])

    def take(self, timeout_s: float | None = None) -> TakenRequest | None:
        """As `take_xid`, and read the head.

        Raises:
            Cancelled: The master told this worker to drain.
            HeadError: The front wrote no head.
        """
        xid = self.take_xid(timeout_s)
        if xid is None:
            return None
        head = self.read_request(xid, lib.askr_request_head_bytes(self._pool.handle, xid))
        return TakenRequest(xid, decode_request_head(head), lib.askr_request_body_bytes(self._pool.handle, xid))

    def read_request(self, xid: int, limit: int) -> bytes:
        """Return up to `limit` further bytes of the request, head first; fewer only at its end.

        Raises:
            OSError: The spool file could not be read.
            StaleExchange: This worker does not run it.
        """
        parts: list[bytes] = []
        while limit > 0:
            n = lib.askr_request_read(self._pool.handle, xid, self._buffer, min(limit, _BUFFER_BYTES))
            if check(n, "read a request", ffi) == 0:
                break
            parts.append(ffi.buffer(self._buffer, n)[:])
            limit -= n
        return b"".join(parts)

    def _respond(self, function: Any, xid: int, data: bytes) -> bool:
        code = function(self._pool.handle, xid, data, len(data))
        if code == ECANCELED:
            return False
        check(code, "write a response", ffi)
        return True

    def head(self, xid: int, status: int, headers: Sequence[Header] = (), reason: bytes = b"") -> bool:
        """Write the response's head; False when the client or its front is gone.

        Raises:
            TooBig: The head is larger than half a window.
            ValueError: There was something written already.
        """
        return self._respond(lib.askr_response_head, xid, encode_response_head(status, headers, reason))

    def write(self, xid: int, data: bytes) -> bool:
        """Append to the response, waiting for room; False when the client or its front is gone.

        Raises:
            PoolFull: There was no room for 30 s.
            StaleExchange: This worker does not run it.
        """
        return self._respond(lib.askr_response_write, xid, data)

    def flush(self, xid: int) -> bool:
        """Let the front see what was written; False when the client or its front is gone."""
        code = lib.askr_response_flush(self._pool.handle, xid)
        if code == ECANCELED:
            return False
        check(code, "flush a response", ffi)
        return True

    def is_cancelled(self, xid: int) -> bool:
        """Whether the client or its front is gone."""
        return bool(lib.askr_exchange_is_cancelled(self._pool.handle, xid))

    def finish(self, xid: int, *, is_failed: bool = False) -> None:
        """End the exchange.

        Raises:
            StaleExchange: This worker does not run it.
        """
        check(lib.askr_worker_finish(self._pool.handle, self._worker, xid, is_failed), "finish an exchange", ffi)

    def respond(
        self, xid: int, body: bytes = b"", *, status: int = 200, headers: Sequence[Header] = (), reason: bytes = b""
    ) -> None:
        """Write a whole response and end the exchange; what a client that left does not read is dropped."""
        if self.head(xid, status, headers, reason):
            self.write(xid, body)
        self.finish(xid)
