"""The native wire of a front: what its events mean on the event loop.

the wire's thread                      the event loop
accept, parse, hot paths  ──event──▶   adopt: a Connection of the pure wire, borrowed for one request
                          ◀─give_back──  between two requests: descriptor and what was read ahead
                          ◀──closed────  it was closed here
lines of the access log   ──────────▶  the same AccessLog as the lines of the event loop
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from askr_http.front.access_log import AccessLog
from askr_http.front.connection import Connection
from askr_http.front.context import FrontContext
from askr_http.front.native_wire import HandedOver, NativeWire, WireError
from askr_http.front.pure_front import BYE_S, cut_all
from askr_http.front.spec import FrontSpec

log = logging.getLogger("askr.front")

_LOG_DELAY_S: Final = 0.05
_WARNINGS: Final = {  # by counter: what is said when it has grown, with the difference
    "accept_pauses": "accepting was paused %d times: no descriptors, or no memory for connections; it goes on by itself",
    "spool_failures": "responses that cannot be kept on disk, whose workers have to wait for their readers: %d",
    "log_dropped": "access log: %d lines were dropped because they were not taken in time",
}


class WireLog:
    """The access log of both threads: what the wire wrote before comes first.

    Args:
        target: Where the lines go.
    """

    def __init__(self, target: AccessLog) -> None:
        self._target: Final = target
        self.wire: NativeWire | None = None  # until it is made

    def add(self, line: bytes) -> None:
        """Take a line of the event loop."""
        self.pull()
        self._target.add(line)

    def pull(self) -> None:
        """Take the lines of the wire."""
        if self.wire is not None:
            self.wire.take_log(self._target.add_lines)


@dataclass(frozen=True)
class WireLoan:
    """A connection that `wire` lent (`connection.Loan`)."""

    wire: NativeWire
    number: int
    data: bytes
    head_since_mono_ns: int | None

    def give_back(self, fd: int, data: bytes) -> None:
        """Let the wire go on."""
        if self.wire.is_closed:
            os.close(fd)
            return
        try:
            self.wire.give_back(self.number, fd, data)
        except WireError as error:
            log.warning("a connection is cut: %s", error)
            os.close(fd)
            self.closed()

    def closed(self) -> None:
        """Tell the wire that the connection is closed; one that was cut at the end may outlive the wire."""
        if not self.wire.is_closed:
            self.wire.closed(self.number)


class NativeFront:
    """Serves with the native wire.

    Args:
        context: What the connections that are borrowed share.
        spec: Of the front.
        wire_log: The access log, None if there is none.

    Raises:
        OSError: The system refused what a wire needs.
    """

    def __init__(self, context: FrontContext, spec: FrontSpec, wire_log: WireLog | None) -> None:
        self._context: Final = context
        self._wire: Final = NativeWire(spec, context.limits)
        self._listener_fds: Final = spec.listener_fds
        self._log: Final = wire_log
        if wire_log is not None:
            wire_log.wire = self._wire
        self._log_timer: asyncio.TimerHandle | None = None
        self._warned = [0] * len(_WARNINGS)
        self._drained: Final = asyncio.Event()
        self._is_running = False

    def open(self) -> None:
        """Begin to accept."""
        self._wire.start()
        self._is_running = True
        for fd in self._listener_fds:  # the wire has descriptors of its own, and closes them when it drains
            os.close(fd)
        self._context.loop.add_reader(self._wire.eventfd, self._on_events)

    async def drain(self, timeout_s: float) -> None:
        """Accept no more, let requests in flight finish, and close the rest."""
        log.info("draining %d connections of the native wire", self._wire.counters().open)
        self._wire.drain()
        self._context.begin_drain()
        with anyio.move_on_after(timeout_s):
            await self._drained.wait()
            return
        borrowed = cut_all(self._context)
        if borrowed:
            with anyio.move_on_after(BYE_S):
                await self._context.all_closed.wait()
        if cut := self._stop() + borrowed:
            log.warning("%d connections were cut at the end of the drain", cut)

    def close(self) -> None:
        """End the thread and let everything go."""
        self._stop()
        self._wire.close()
        if self._log is not None:
            self._log.wire = None

    def _stop(self) -> int:
        if not self._is_running:
            return 0
        self._is_running = False
        self._context.loop.remove_reader(self._wire.eventfd)
        cut = self._wire.stop()
        if self._log_timer is not None:
            self._log_timer.cancel()
        self._pull_log()
        self._warn()
        log.debug("native wire: %s", self._wire.counters())
        return cut

    def _on_events(self) -> None:
        if not self._is_running:
            return
        events = self._wire.take_events()
        for one in events.handed:
            self._adopt(one)
        if events.is_drained:
            self._drained.set()
        if events.has_more:  # after others have had their turn
            self._context.loop.call_soon(self._on_events)
        self._warn()
        if self._log is None:
            return
        # Lines, perhaps: the first ones may wait for more, but if we are told again, and of nothing else, a lot has come.
        if self._log_timer is None:
            self._log_timer = self._context.loop.call_later(_LOG_DELAY_S, self._pull_log)
        elif not events.handed and not events.is_drained:
            self._log_timer.cancel()
            self._pull_log()

    def _warn(self) -> None:
        """Say what the wire, which has no words, has counted."""
        counts = self._wire.counted(_WARNINGS)
        if counts != self._warned:
            for sentence, count, before in zip(_WARNINGS.values(), counts, self._warned, strict=True):
                if count > before:
                    log.warning(sentence, count - before)
            self._warned = counts

    def _pull_log(self) -> None:
        self._log_timer = None
        if self._log is None:
            return
        self._log.pull()

    def _adopt(self, one: HandedOver) -> None:
        loan = WireLoan(self._wire, one.number, one.data, one.head_since_mono_ns)
        self._context.spawn(partial(self._connect, socket.socket(fileno=one.fd), loan))

    async def _connect(self, sock: socket.socket, loan: WireLoan) -> None:
        try:
            await self._context.loop.connect_accepted_socket(
                lambda: Connection(self._context, loan=loan, on_lost=loan.closed), sock
            )
        except OSError as error:
            log.warning("cannot take a connection over: %s", error.strerror)
            sock.close()
            loan.closed()
