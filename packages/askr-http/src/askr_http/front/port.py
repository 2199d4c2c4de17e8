"""What a front does with the pool, so that the origin can be read and tested without shared memory."""

from __future__ import annotations

from typing import Protocol

from askr_shm.pool import Observation


class Port(Protocol):
    """A front's end of a pool (askr_shm.pool.FrontPort)."""

    eventfd: int

    def open(self) -> int:
        """See FrontPort."""

    def write_request(self, xid: int, data: bytes | memoryview) -> None:
        """See FrontPort."""

    def spool(self, xid: int, data: bytes | memoryview, offset: int) -> None:
        """See FrontPort."""

    def submit(
        self, xid: int, *, head_size_bytes: int, body_size_bytes: int, is_spooled: bool, deadline_mono_ns: int
    ) -> None:
        """See FrontPort."""

    def wake_another(self) -> None:
        """See FrontPort."""

    def completions(self) -> list[int]:
        """See FrontPort."""

    def observe(self, xid: int) -> Observation:
        """See FrontPort."""

    def read_response(self, xid: int, limit: int) -> bytes:
        """See FrontPort."""

    def cancel(self, xid: int) -> bool:
        """See FrontPort."""

    def release(self, xid: int) -> None:
        """See FrontPort."""
