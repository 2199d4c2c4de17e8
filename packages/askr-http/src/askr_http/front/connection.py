"""One connection of HTTP/1: bytes between a transport and the exchanges on it, one after the other.

The phases are HEAD (idle, or a request's head is arriving), EXCHANGE (a handler's task runs), RETURN (a borrowed connection waits until
its answer is with the kernel), LINGER (the last answer is written; what the client still sends is dropped, because closing with unread
bytes would reset the connection and could take the answer with it) and CLOSING. Pipelined requests wait in the reader, whose size is
bounded by pausing the transport.

A connection is this process's own, or borrowed from the native wire for one request: a `Loan`. Between two requests it goes back, as a
second descriptor of its socket and the bytes that were read ahead; closing the first descriptor then tells the client nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, cast

from askr_http.errors import RemoteProtocolError, ServerAnswer
from askr_http.exchange import Address, ClientGone, RequestRefused, ResponseError
from askr_http.front.addresses import parse_address
from askr_http.front.context import Deadline, FrontContext
from askr_http.front.h1_exchange import H1Exchange
from askr_http.front.loan import Loan
from askr_http.h1 import Head, RequestReader
from askr_http.h1_writer import ResponseWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger("askr.front")

_READ_AHEAD_BYTES: Final = 64 * 1024  # that nobody has taken yet; then the client has to wait
_WRITE_HIGH_BYTES: Final = 256 * 1024
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_CLIENT_LEFT: Final = 499  # nginx's number, in the log only


class Phase(Enum):
    """What the connection does."""

    HEAD = auto()
    EXCHANGE = auto()
    RETURN = auto()
    LINGER = auto()
    CLOSING = auto()


def _nothing() -> None:
    """Nobody asked."""


class Connection(asyncio.Protocol):
    """The protocol of one transport.

    Args:
        context: What the connections share.
        loan: Whose it is, if it is borrowed.
        on_lost: Called once, when it is closed here; not when it was given back.
    """

    def __init__(
        self, context: FrontContext, *, loan: Loan | None = None, on_lost: Callable[[], None] = _nothing
    ) -> None:
        self.context: Final = context
        self.reader: Final = RequestReader(context.limits)
        self.client = Address("", 0)
        self.server = Address("", 0)
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)  # until connection_made
        self.has_eof = False
        self.is_lost = False
        self._loan: Final = loan
        self._on_lost: Final = on_lost
        self._is_given_back = False
        self._phase = Phase.HEAD
        self._exchange: H1Exchange | None = None
        self._deadline: Final = Deadline(context.loop, self._on_deadline)
        self._is_head_timed = False
        self._is_reading = True
        self._data_waiter: asyncio.Future[bool] | None = None
        self._room_waiter: asyncio.Future[bool] | None = None
        self._is_write_paused = False

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)
        self.client = parse_address(transport.get_extra_info("peername"))
        self.server = parse_address(transport.get_extra_info("sockname"))
        self.context.connections.add(self)
        self._deadline.set(self._head_left_s())
        self._is_head_timed = True
        if self._loan is not None and self._loan.data:
            self.data_received(self._loan.data)
        elif self.context.is_draining:
            self.close()

    def _head_left_s(self) -> float:
        """Return how long the first head may still take; where it began, somebody else may have waited for it already."""
        limit = self.context.limits.header_read_timeout_s
        if self._loan is None or self._loan.head_since_mono_ns is None:
            return limit
        return max(0.0, limit - (time.monotonic_ns() - self._loan.head_since_mono_ns) / 1e9)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it is gone makes no difference
        """Tell who waits that nothing comes and nothing goes any more."""
        if self._is_given_back:
            return
        self.is_lost = self.has_eof = True
        self._phase = Phase.CLOSING
        self._deadline.close()
        self._wake_all()
        if self._exchange is not None:
            self._exchange.client_left()
        self.context.forget(self)
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self._phase in {Phase.LINGER, Phase.CLOSING}:
            return
        self.reader.receive(data)
        if self._phase is Phase.HEAD:
            self._advance()
            return
        if self._data_waiter is not None:
            _wake(self._data_waiter)
        if self.reader.buffered_bytes > _READ_AHEAD_BYTES and self._is_reading:
            self._is_reading = False
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Take note that the client sends no more; what has begun to be answered may still reach it."""
        self.has_eof = True
        if self._phase is Phase.EXCHANGE:
            if self._data_waiter is not None:
                _wake(self._data_waiter)
            elif self._exchange is not None:
                self._exchange.client_left()
        elif self._phase is not Phase.CLOSING:
            self.close()
        return True

    def pause_writing(self) -> None:
        """Note that the client reads too slowly."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._is_write_paused = False
        if self._room_waiter is not None:
            _wake(self._room_waiter)

    # What the exchange calls.

    def write(self, parts: Iterable[bytes | memoryview]) -> None:
        """Give bytes to the transport.

        Raises:
            ClientGone: The connection is closed.
        """
        if self.is_lost or self.transport.is_closing():
            raise ClientGone
        self.transport.writelines(parts)

    async def wait_for_room(self) -> None:
        """Wait until more can be written.

        Raises:
            ClientGone: The connection is closed, or the client has read nothing for too long, and it was cut.
        """
        while self._is_write_paused and not self.is_lost:
            before = self.transport.get_write_buffer_size()
            self._room_waiter = self.context.loop.create_future()
            try:
                has_room = await self.wait(self._room_waiter, self.context.limits.write_timeout_s)
            finally:
                self._room_waiter = None
            if not has_room and self.transport.get_write_buffer_size() >= before:
                self.abort(resets=True)
        if self.is_lost or self._phase is Phase.CLOSING:
            raise ClientGone

    async def wait_until_written(self) -> None:
        """Wait until everything is with the kernel.

        Raises:
            ClientGone: As `wait_for_room`.
        """
        self.transport.set_write_buffer_limits(high=0)
        try:
            await self.wait_for_room()
        finally:
            if not self.is_lost:
                self.transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)

    async def wait_for_data(self, timeout_s: float) -> bool:
        """Wait for bytes, the end of file or the end of the connection; False when none of them came in time."""
        if not self._is_reading and not self.is_lost:
            self._is_reading = True
            self.transport.resume_reading()
        self._data_waiter = self.context.loop.create_future()
        try:
            return await self.wait(self._data_waiter, timeout_s)
        finally:
            self._data_waiter = None

    async def wait(self, future: asyncio.Future[bool], timeout_s: float) -> bool:
        """Return the future's result, False when time is up."""
        timer = self.context.loop.call_later(timeout_s, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()

    def abort(self, *, resets: bool = False) -> None:
        """Cut the connection.

        Args:
            resets: Where a mere end would look like the end of the response, or would wait in the kernel, behind megabytes, for a reader
                that does not read.
        """
        self._phase = Phase.CLOSING
        if self.is_lost:
            return
        if resets:
            sock = self.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def close(self) -> None:
        """Close when everything is written; a client that does not read has a limited time for that."""
        if self._phase is Phase.CLOSING:
            return
        self._phase = Phase.CLOSING
        self._deadline.set(self.context.limits.write_timeout_s)
        self.transport.close()

    def begin_drain(self) -> None:
        """Close if nothing is under way; the exchange that is will be the last."""
        if self._phase is Phase.HEAD and self.reader.is_between_requests:
            self.close()

    # The way of a request.

    def _advance(self) -> None:
        """Look for a request in what has come."""
        try:
            event = self.reader.maybe_next()
        except RemoteProtocolError as error:
            self._refuse(error.answer)
            return
        if not isinstance(event, Head):
            if self.has_eof:
                self.close()
            elif not self._is_head_timed and not self.reader.is_between_requests:
                self._is_head_timed = True
                self._deadline.set(self.context.limits.header_read_timeout_s)
            return
        self._deadline.clear()
        self._is_head_timed = False
        self._phase = Phase.EXCHANGE
        exchange = self._exchange = H1Exchange(self, event)
        if self.has_eof and event.content_length == 0:
            exchange.client_left()
        self.context.spawn(lambda: self._run(exchange))

    async def _run(self, exchange: H1Exchange) -> None:
        """Have an exchange answered, whatever its handler does."""
        try:
            if exchange.head.has_unknown_expectation:
                await exchange.refuse(ServerAnswer.EXPECTATION_FAILED)
            else:
                await self.context.handler(exchange)
                if not exchange.is_started and not self._is_over:
                    await exchange.refuse(ServerAnswer.INTERNAL)
        except RequestRefused as refused:
            await self._refuse_exchange(exchange, refused.answer)
        except ClientGone:
            exchange.abort()
        except Exception:
            log.exception("a handler failed")
            await self._refuse_exchange(exchange, ServerAnswer.INTERNAL)
        finally:
            self._end(exchange)
        if self._phase is Phase.RETURN:
            await self._give_back()

    @property
    def _is_over(self) -> bool:
        """Whether nobody can be answered any more; an abort comes a turn of the loop before the connection is lost."""
        return self.is_lost or self._phase is Phase.CLOSING

    async def _refuse_exchange(self, exchange: H1Exchange, answer: ServerAnswer) -> None:
        if exchange.is_started or self._is_over:
            exchange.abort()
            return
        with contextlib.suppress(ClientGone, ResponseError):
            await exchange.refuse(answer)

    def _end(self, exchange: H1Exchange) -> None:
        """Go on after an exchange."""
        self._exchange = None
        exchange.on_gone(None)
        writer = exchange.writer
        self.context.log(
            ip=self.client.host,
            method=exchange.head.method,
            path=exchange.head.target.raw_path,
            status=writer.status or _CLIENT_LEFT,
            body_bytes=writer.body_bytes,
            since_mono=exchange.since_mono,
        )
        if self._is_over:
            return
        if not writer.is_finished:
            self.abort(resets=writer.ends_with_connection)
        elif writer.keeps_alive and exchange.is_body_read:
            self._next()
        else:
            self._linger(is_request_read=exchange.is_body_read)

    def _next(self) -> None:
        """Turn to the next request, which may be here already, and which is not ours if the connection is not."""
        if self._loan is not None and not self.has_eof and not self.context.is_draining:
            self._phase = Phase.RETURN
            return
        self._go_on()

    def _go_on(self) -> None:
        self._phase = Phase.HEAD
        if not self._is_reading:
            self._is_reading = True
            self.transport.resume_reading()
        if self.reader.is_between_requests:
            if self.has_eof or self.context.is_draining:
                self.close()
            else:
                self._deadline.set(self.context.limits.keepalive_timeout_s)
            return
        self._advance()

    async def _give_back(self) -> None:
        """Return a borrowed connection between two requests."""
        if self._is_reading:
            self._is_reading = False
            self.transport.pause_reading()
        try:
            await self.wait_until_written()
        except ClientGone:
            return
        if self.has_eof or self.context.is_draining:
            self._go_on()
            return
        try:
            fd = os.dup(self.transport.get_extra_info("socket").fileno())
        except OSError as error:  # no descriptor is free: this side can go on as well
            log.warning("a connection stays with the event loop: %s", error.strerror)
            self._go_on()
            return
        loan = cast("Loan", self._loan)
        self._is_given_back = True
        self._phase = Phase.CLOSING
        self._deadline.close()
        self.context.forget(self)
        self.transport.abort()
        loan.give_back(fd, self.reader.take_rest())

    def _refuse(self, answer: ServerAnswer) -> None:
        """Answer what is no request."""
        writer = ResponseWriter(b"GET", is_1_1=True, keeps_alive=False)
        content = answer.content
        start = writer.start(
            answer.status, answer.headers, reason=answer.phrase, content_length=len(content), date=self.context.date()
        )
        with contextlib.suppress(ClientGone):
            self.write([start, content])
        now = time.monotonic()
        size = writer.take(len(content))
        self.context.log(
            ip=self.client.host, method=b"-", path=b"-", status=answer.status, body_bytes=size, since_mono=now
        )
        self._linger(is_request_read=False)

    def _linger(self, *, is_request_read: bool) -> None:
        """Close so that the last answer reaches the client."""
        if self.has_eof or (is_request_read and not self.reader.buffered_bytes):
            self.close()
            return
        self._phase = Phase.LINGER
        self._deadline.set(self.context.limits.linger_timeout_s)
        if not self._is_reading:
            self._is_reading = True
            self.transport.resume_reading()
        self.transport.write_eof()

    def _on_deadline(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if self._phase is not Phase.HEAD or unread:
            self.abort(resets=unread > 0)  # it lingers, or does not read what it asked for
        elif self.reader.is_between_requests:
            self.close()
        else:
            self._refuse(ServerAnswer.REQUEST_TIMEOUT)

    def _wake_all(self) -> None:
        for waiter in (self._data_waiter, self._room_waiter):
            if waiter is not None:
                _wake(waiter)


def _wake(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(True)


def _expire(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(False)
