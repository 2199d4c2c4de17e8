"""The exchange of the pure wire: what a handler asks for, put into HTTP/1."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from askr_http.errors import LocalProtocolError, RemoteProtocolError, ServerAnswer
from askr_http.exchange import ClientGone, Exchange, Header, RequestHead, RequestRefused, ResponseError
from askr_http.h1 import Body, End, Head
from askr_http.h1_writer import ResponseWriter

if TYPE_CHECKING:
    from askr_http.front.connection import Connection

_FILE_PIECE_BYTES: Final = 512 * 1024
_PIECES_AT_ONCE: Final = 4  # then other connections have their turn
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_MOST_CONTENT: Final = 64 * 1024  # of a complete answer that is joined with its head


class H1Exchange(Exchange):
    """One request of a connection and its responses.

    Args:
        connection: Where it happens.
        head: The request's head.
    """

    def __init__(self, connection: Connection, head: Head) -> None:
        context = connection.context
        self._connection: Final = connection
        self._limits: Final = context.limits
        self.head: Final = head
        self.since_mono: Final = time.monotonic()
        self.writer: Final = ResponseWriter(
            head.method, is_1_1=head.protocol == "HTTP/1.1", keeps_alive=head.keeps_alive
        )
        self.request = RequestHead(
            method=head.method,
            target=head.target.origin,
            raw_path=head.target.raw_path,
            path=head.target.path,
            query=head.target.query,
            scheme="http",
            authority=head.authority,
            headers=head.headers,
            protocol=head.protocol,
            client=connection.client,
            server=connection.server,
            is_tls=False,
        )
        self.is_body_read = False
        self._is_body_broken = False
        self._body_bytes = 0
        self._wants_continue = head.expects_continue
        self._pending = b""  # the response's head, until the first bytes of its body or the loop's next turn
        self._is_gone = False
        self._on_gone: Callable[[], None] | None = None
        if head.content_length == 0:
            self._discard_body()

    # The request.

    @property
    def content_length(self) -> int | None:
        """See Exchange."""
        return self.head.content_length

    @property
    def is_started(self) -> bool:
        """See Exchange."""
        return self.writer.is_started

    @property
    def is_gone(self) -> bool:
        """See Exchange."""
        return self._is_gone

    def on_gone(self, callback: Callable[[], None] | None) -> None:
        """See Exchange."""
        self._on_gone = callback
        if self._is_gone and callback is not None:
            self._on_gone = None
            callback()

    def client_left(self) -> None:
        """Take note that the client closed its side; called by the connection."""
        self._is_gone = True
        callback, self._on_gone = self._on_gone, None
        if callback is not None:
            callback()

    async def read_body(self) -> bytes:
        """See Exchange."""
        limit = self._limits.body_bytes
        if (self.head.content_length or 0) > limit:
            raise RequestRefused(ServerAnswer.BODY_TOO_LARGE)
        while not self.is_body_read:
            event = self._next_of_body()
            if isinstance(event, Body):
                self._body_bytes += len(event.data)
                if self._body_bytes > limit:
                    raise RequestRefused(ServerAnswer.BODY_TOO_LARGE)
                if self.head.content_length is None:
                    await asyncio.sleep(0)  # a body in tiny chunks is work: other connections have their turn
                return event.data
            if event is None:
                await self._wait_for_body()
        return b""

    async def _wait_for_body(self) -> None:
        connection = self._connection
        if connection.has_eof:
            raise ClientGone
        if self._wants_continue and not self.is_started:
            self._wants_continue = False
            connection.write([_CONTINUE])
        if not await connection.wait_for_data(self._limits.body_read_timeout_s):
            raise RequestRefused(ServerAnswer.REQUEST_TIMEOUT)

    def _next_of_body(self) -> Body | End | None:
        """Return the next event of the body, None when it has not come."""
        try:
            event = self._connection.reader.maybe_next()
        except RemoteProtocolError as error:
            self._is_body_broken = True
            raise RequestRefused(error.answer) from None
        if isinstance(event, End):
            self.is_body_read = True
            if self._connection.has_eof:
                self.client_left()
        return None if isinstance(event, Head) else event

    def _discard_body(self) -> None:
        """Drop what of the body has come: if that is all, the connection can be kept."""
        try:
            while not (self.is_body_read or self._is_body_broken) and self._next_of_body() is not None:
                pass
        except RequestRefused:
            return

    # The responses.

    async def inform(self, status: int, headers: Sequence[Header] = ()) -> None:
        """See Exchange."""
        try:
            data = self.writer.inform(status, headers)
        except LocalProtocolError as error:
            raise ResponseError(str(error)) from None
        if data:
            self._connection.write([data])
            await self._connection.wait_for_room()

    def _start(self, status: int, headers: Sequence[Header], reason: bytes, content_length: int | None) -> bytes:
        if not self.is_body_read:
            self._discard_body()
        if not self.is_body_read or self._connection.context.is_draining:
            self.writer.keeps_alive = False
        try:
            return self.writer.start(
                status, headers, reason=reason, content_length=content_length, date=self._connection.context.date()
            )
        except LocalProtocolError as error:
            raise ResponseError(str(error)) from None

    async def respond(self, status: int, headers: Sequence[Header], body: bytes = b"", *, reason: bytes = b"") -> None:
        """See Exchange."""
        length = None if status == 304 else len(body)  # of a 304 it would be that of the representation
        start = self._start(status, headers, reason, length)
        body = body[: self.writer.take(len(body))]
        self._connection.write([start + body] if len(body) <= _MOST_CONTENT else [start, body])
        self.writer.finish()
        await self._connection.wait_for_room()

    async def refuse(self, answer: ServerAnswer) -> None:
        """Answer with one of the server's own, and close if the request was not read."""
        await self.respond(answer.status, answer.headers, answer.content, reason=answer.phrase)

    async def start(
        self, status: int, headers: Sequence[Header], *, reason: bytes = b"", content_length: int | None = None
    ) -> None:
        """See Exchange."""
        self._pending = self._start(status, headers, reason, content_length)
        self._connection.context.loop.call_soon(self._write_pending)

    def _write_pending(self) -> None:
        data, self._pending = self._pending, b""
        if data and not self._connection.is_lost and not self._connection.transport.is_closing():
            self._connection.write([data])

    def _write(self, *parts: bytes | memoryview) -> None:
        start, self._pending = self._pending, b""
        wanted = [part for part in (start, *parts) if part]
        if wanted:
            self._connection.write(wanted)

    async def send(self, data: bytes | memoryview) -> None:
        """See Exchange."""
        size = self._take(len(data))
        if size:
            before, after = self.writer.frame(size)
            self._write(before, data if size == len(data) else memoryview(data)[:size], after)
            await self._connection.wait_for_room()

    def _take(self, size: int) -> int:
        try:
            return self.writer.take(size)
        except LocalProtocolError as error:
            raise ResponseError(str(error)) from None

    async def send_file(self, fd: int, offset: int, length: int) -> None:
        """See Exchange."""
        size = self._take(length)
        if not size:
            return
        before, after = self.writer.frame(size)
        self._write(before)
        await self._connection.wait_until_written()
        sock = self._connection.transport.get_extra_info("socket")
        # A descriptor of its own: the event loop refuses to watch those of its transports.
        out = os.dup(sock.fileno())
        try:
            await self._send_pieces(out, fd, offset, size)
        finally:
            os.close(out)
        self._write(after)

    async def _send_pieces(self, out: int, fd: int, offset: int, left: int) -> None:
        pieces = 0
        while left:
            if self._connection.is_lost:
                raise ClientGone
            try:
                sent = os.sendfile(out, fd, offset, min(left, _FILE_PIECE_BYTES))
            except BlockingIOError:
                await self._wait_writable(out)
                continue
            except OSError:
                self.abort()
                raise ClientGone from None
            if sent == 0:  # the file was truncated: what was announced cannot be sent any more
                self.abort()
                raise ClientGone
            offset, left, pieces = offset + sent, left - sent, pieces + 1
            if pieces % _PIECES_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _wait_writable(self, out: int) -> None:
        loop = self._connection.context.loop
        future: asyncio.Future[bool] = loop.create_future()
        loop.add_writer(out, _wake, future)
        try:
            if not await self._connection.wait(future, self._limits.write_timeout_s):
                self._pending = b""
                self._connection.abort(resets=True)
                raise ClientGone
        finally:
            loop.remove_writer(out)

    async def finish(self) -> None:
        """See Exchange."""
        try:
            end = self.writer.finish()
        except LocalProtocolError:
            self.abort()
            return
        self._write(end)
        await self._connection.wait_for_room()

    def abort(self) -> None:
        """See Exchange."""
        self._pending = b""
        self._connection.abort(resets=self.writer.ends_with_connection)


def _wake(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(True)
