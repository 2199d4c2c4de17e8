"""What the connections of a front share."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol

from askr_http.access_line import access_line
from askr_http.dates import format_date
from askr_http.exchange import Handler
from askr_http.limits import Limits

if TYPE_CHECKING:
    from askr_http.front.connection import Connection

Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]
"""Starts a coroutine function as a task that the front's task group owns."""


class LineSink(Protocol):
    """Where lines of the access log go."""

    def add(self, line: bytes) -> None:
        """Take a line."""


class FrontContext:
    """What the connections of a front share.

    Args:
        limits: Of the wire.
        handler: Answers every exchange.
        spawn: Starts tasks.
        access_log: Where lines go; None: nowhere.
    """

    def __init__(self, limits: Limits, handler: Handler, spawn: Spawn, access_log: LineSink | None) -> None:
        self.limits: Final = limits
        self.handler: Final = handler
        self.spawn: Final = spawn
        self.loop: Final = asyncio.get_running_loop()
        self.connections: Final[set[Connection]] = set()
        self.all_closed: Final = asyncio.Event()
        self.is_draining = False
        self._admitted = 0
        self._by_address: Final[Counter[str]] = Counter()
        self._access_log: Final = access_log
        self._date = b""
        self._date_wall_s = 0

    def date(self) -> bytes:
        """Return the value of Date."""
        now = int(time.time())
        if now != self._date_wall_s:
            self._date, self._date_wall_s = format_date(now), now
        return self._date

    def begin_drain(self) -> None:
        """Let what is under way be the last, and close what is idle."""
        self.is_draining = True
        for connection in list(self.connections):
            connection.begin_drain()

    def admit(self, address: str) -> bool:
        """Count one more connection of an address until `dismiss`; False: there are too many, and it is not counted."""
        limits = self.limits
        if self._admitted >= limits.connections:
            return False
        if limits.connections_per_address and self._by_address[address] >= limits.connections_per_address:
            return False
        self._admitted += 1
        self._by_address[address] += 1
        return True

    def dismiss(self, address: str) -> None:
        """Take note that a connection that was admitted is closed."""
        self._admitted -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is closed."""
        self.connections.discard(connection)
        if self.is_draining and not self.connections:
            self.all_closed.set()

    def log(self, *, ip: str, method: bytes, path: bytes, status: int, body_bytes: int, since_mono: float) -> None:
        """Write a line of the access log."""
        if self._access_log is not None:
            duration = time.monotonic() - since_mono  # the loop's clock counts whole milliseconds
            self._access_log.add(
                access_line(
                    ts_wall_s=int(time.time()),
                    ip=ip,
                    method=method,
                    path=path,
                    status=status,
                    body_bytes=body_bytes,
                    duration_ns=round(duration * 1e9),
                )
            )


class Deadline:
    """One deadline that moves often: the loop's timer is only touched when it fires or has to fire earlier.

    Args:
        loop: The event loop.
        callback: Called when the deadline has passed.
    """

    __slots__ = ("_at", "_callback", "_loop", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def set(self, delay_s: float) -> None:
        """Let the deadline be in `delay_s` seconds."""
        self._at = self._loop.time() + delay_s
        if self._timer is None or self._at < self._timer_at:
            self._arm(self._at)

    def clear(self) -> None:
        """Have no deadline."""
        self._at = None

    def close(self) -> None:
        """Never fire again."""
        self._at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._fire)
        self._timer_at = at

    def _fire(self) -> None:
        self._timer = None
        if self._at is None:
            return
        if self._loop.time() < self._at - 0.001:
            self._arm(self._at)
            return
        self._at = None
        self._callback()
