"""PHP as an origin: an exchange of the wire becomes an exchange in shared memory, and the other way round.

The request goes to a worker when it is complete, and the worker's output is taken as soon as it is there: neither a slow client nor a slow
reader holds a worker. One `_Call` is one request on its way:

    read body ─▶ open ─▶ submit ─▶ (news)* ─▶ final ─▶ release
                            └─ client gone: cancel ─▶ released at once (it was queued), or dropped until the worker is done
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from askr_http.cgi import CgiPolicy, CgiResponse, request_fields, request_headers, response_from
from askr_http.errors import ServerAnswer
from askr_http.exchange import Exchange, ResponseError
from askr_http.front.port import Port
from askr_http.front.response_buffer import ResponseBuffer
from askr_http.limits import Limits
from askr_http.routing import Script
from askr_shm.errors import CorruptPool, HeadError, PoolFull, ShmError, StaleExchange
from askr_shm.head import ResponseHead, decode_response_head, encode_request_head
from askr_shm.pool import ExchangeState

log = logging.getLogger("askr.front")

_PIECE_BYTES: Final = 128 * 1024
_PIECES_A_TURN: Final = 8  # of one exchange; then other connections have their turn
_WAKE_AGAIN_S: Final = 0.01  # one worker is woken for a request; if nobody has taken it by then, another one is
_WHOLE_BYTES: Final = 256 * 1024  # a complete response up to this goes out in one write


class _Call:
    """One request that is with the workers.

    `verdict` is why there is no response; `overflow` is what no buffer took. One that `is_dropped` is not wanted any more, and of one
    that `is_broken` the response cannot even be read; both are let go when the worker is done.
    """

    def __init__(self, xid: int, buffer: ResponseBuffer, deadline_mono_ns: int) -> None:
        self.xid: Final = xid
        self.buffer: Final = buffer
        self.deadline_mono_ns: Final = deadline_mono_ns
        self.head: ResponseHead | None = None
        self.overflow = b""
        self.verdict: ServerAnswer | None = None
        self.is_final = False
        self.is_dropped = False
        self.is_broken = False
        self.had_overflow = False
        self.was_running = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class PhpOrigin:
    """PHP behind one pool.

    Args:
        port: The front's end of the pool.
        policy: What PHP is told about the server.
        limits: Of the wire.
        spool_dir: Where responses that are read slowly are kept.
        most_uploads: Bodies on their way to the spool at once; each has an exchange while it arrives, and slow ones must not take all.
    """

    def __init__(
        self, port: Port, policy: CgiPolicy, limits: Limits, spool_dir: str | None, *, most_uploads: int
    ) -> None:
        self._port: Final = port
        self._policy: Final = policy
        self._limits: Final = limits
        self._spool_dir: Final = spool_dir
        self._most_uploads: Final = most_uploads
        self._uploads = 0
        self._gathered_bytes = 0  # of bodies that are still arriving, in memory
        self._calls: Final[dict[int, _Call]] = {}
        self._queued: Final[set[int]] = set()  # as far as is known
        self._queue_timer: asyncio.TimerHandle | None = None
        self._loop: Final = asyncio.get_running_loop()

    def open(self) -> None:
        """Begin to listen for news."""
        self._loop.add_reader(self._port.eventfd, self._on_news)
        self._on_news()

    def close(self) -> None:
        """Give up what is under way."""
        self._loop.remove_reader(self._port.eventfd)
        if self._queue_timer is not None:
            self._queue_timer.cancel()
        for call in list(self._calls.values()):
            self._abandon(call)

    async def answer(self, exchange: Exchange, script: Script) -> None:
        """Have the request answered by a worker.

        Raises:
            ClientGone: The client left.
            RequestRefused: The body cannot be taken.
        """
        submitted = await self._submit(exchange, script)
        if isinstance(submitted, ServerAnswer):
            await exchange.respond(submitted.status, submitted.headers, submitted.content, reason=submitted.phrase)
            return
        call = submitted
        timer = self._loop.call_later(self._limits.queue_timeout_s, self._on_queue_deadline, call)
        exchange.on_gone(lambda: self._abandon(call))
        try:
            await self._relay(exchange, call)
        finally:
            exchange.on_gone(None)
            timer.cancel()
            if not call.is_final:
                self._abandon(call)
            call.buffer.close()

    # The request.

    async def _submit(self, exchange: Exchange, script: Script) -> _Call | ServerAnswer:
        """Read the body, and hand the request over."""
        in_memory = bytearray()
        size = 0
        xid: int | None = None  # from the moment on when the body needs the spool
        is_upload = is_submitted = False
        try:
            if (exchange.content_length or 0) <= self._limits.body_bytes and self._needs_spool(
                exchange.content_length or 0
            ):
                xid, is_upload = self._open_upload(), True
            while data := await exchange.read_body():
                if xid is None and (self._needs_spool(size + len(data)) or not self._may_gather(len(data))):
                    xid, is_upload = self._open_upload(), True
                    self._port.spool(xid, bytes(in_memory), 0)
                    self._gathered_bytes -= len(in_memory)
                    in_memory.clear()
                if xid is not None:
                    self._port.spool(xid, data, size)
                else:
                    in_memory += data
                    self._gathered_bytes += len(data)
                size += len(data)
            is_spooled = xid is not None
            if xid is None:
                xid = self._port.open()
            head = self._encode(exchange, script, size)
            self._port.write_request(xid, head)
            if not is_spooled and size:
                is_spooled = self._write_body(xid, bytes(in_memory))
            deadline = time.monotonic_ns() + int(self._limits.queue_timeout_s * 1e9)
            self._port.submit(
                xid,
                head_size_bytes=len(head),
                body_size_bytes=size,
                is_spooled=is_spooled,
                deadline_mono_ns=deadline,
            )
            is_submitted = True
        except PoolFull:
            return ServerAnswer.BUSY
        except HeadError as error:
            log.warning("a request cannot be handed to PHP: %s", error)
            return ServerAnswer.BAD_REQUEST
        except OSError as error:
            log.warning("a request body cannot be spooled: %s", error.strerror)
            return ServerAnswer.SPOOL_FULL
        finally:
            self._uploads -= is_upload
            self._gathered_bytes -= len(in_memory)
            if xid is not None and not is_submitted:
                self._release(xid)
        call = _Call(xid, ResponseBuffer(self._limits.response_memory_bytes, self._spool_dir), deadline)
        self._calls[xid] = call
        self._watch_queue(xid)
        return call

    def _watch_queue(self, xid: int) -> None:
        self._queued.add(xid)
        if self._queue_timer is None:
            self._queue_timer = self._loop.call_later(_WAKE_AGAIN_S, self._look_at_queue)

    def _look_at_queue(self) -> None:
        """Show what is still queued to another worker."""
        self._queue_timer = None
        for xid in list(self._queued):
            if not self._is_queued(xid):
                self._queued.discard(xid)
        if self._queued:
            self._port.wake_another()
            self._queue_timer = self._loop.call_later(_WAKE_AGAIN_S, self._look_at_queue)

    def _is_queued(self, xid: int) -> bool:
        try:
            return self._port.observe(xid).state is ExchangeState.QUEUED
        except ShmError:  # it was released, or written over
            return False

    def _open_upload(self) -> int:
        """Return a new exchange for a body that is still to come.

        Raises:
            PoolFull: All exchanges, or all that uploads may have, are in use.
        """
        if self._uploads >= self._most_uploads:
            message = "as many uploads as may be are under way"
            raise PoolFull(message)
        xid = self._port.open()
        self._uploads += 1
        return xid

    def _needs_spool(self, size: int) -> bool:
        return size > self._limits.body_memory_bytes

    def _may_gather(self, size: int) -> bool:
        """Whether memory may hold further bytes of slow bodies; otherwise they are uploads, of which there are few."""
        return self._gathered_bytes + size <= self._limits.buffer_bytes

    def _write_body(self, xid: int, body: bytes) -> bool:
        """Write a body into memory, or into the spool when memory is full; return whether it was spooled."""
        try:
            self._port.write_request(xid, body)
        except PoolFull:
            self._port.spool(xid, body, 0)
            return True
        return False

    def _encode(self, exchange: Exchange, script: Script, size: int) -> bytes:
        request = exchange.request
        fields = request_fields(request, script, self._policy, body_bytes=size, now_wall_us=time.time_ns() // 1000)
        return encode_request_head(fields, request_headers(request.headers, request.authority))

    # News from the workers.

    def _on_news(self) -> None:
        for xid in self._port.completions():
            call = self._calls.get(xid)
            if call is not None:
                self._pump(call)

    def _pump(self, call: _Call) -> None:
        """Take what a worker has written."""
        if call.is_final:
            return
        try:
            self._take(call)
        except (ShmError, HeadError) as error:
            self._break(call, error)
        call.wake()

    def _break(self, call: _Call, error: Exception) -> None:
        """Give up a response that cannot be read; its exchange is the worker's until that is done."""
        if call.is_broken:  # not even its state can be read: the exchange is lost
            self._forget(call)
            return
        log.warning("the response of a worker cannot be read: %s", error)
        call.is_broken = True
        call.verdict = ServerAnswer.WORKER_DIED
        self._abandon(call)

    def _take(self, call: _Call) -> None:
        port, xid = self._port, call.xid
        for _ in range(_PIECES_A_TURN):
            if call.overflow and not self._put(call, call.overflow):
                return
            seen = port.observe(xid)
            call.was_running = call.was_running or seen.state is ExchangeState.RUNNING
            if seen.is_failed:
                self._finish(call, self._failure(call))
                return
            if call.is_dropped:
                if seen.readable_bytes and not call.is_broken:
                    port.read_response(xid, _PIECE_BYTES)
                    continue
            elif call.head is None and seen.head_size_bytes:
                call.head = decode_response_head(port.read_response(xid, seen.head_size_bytes))
                continue
            elif call.head is not None and seen.readable_bytes:
                if not self._put(call, port.read_response(xid, min(seen.readable_bytes, _PIECE_BYTES))):
                    return
                continue
            if seen.is_final:
                self._finish(call, None if call.head is not None else ServerAnswer.BAD_RESPONSE)
            return
        self._loop.call_soon(self._pump, call)

    def _put(self, call: _Call, data: bytes) -> bool:
        """Keep bytes; False when there is no room, and the worker has to wait for the reader."""
        try:
            call.buffer.put(data)
        except OSError as error:
            if not call.had_overflow:
                log.warning("a response cannot be kept on disk: %s", error.strerror)
            call.overflow, call.had_overflow = data, True
            return False
        call.overflow = b""
        return True

    def _failure(self, call: _Call) -> ServerAnswer:
        """Return why an exchange failed: nobody took it in time, or its worker died."""
        is_late = time.monotonic_ns() >= call.deadline_mono_ns
        return ServerAnswer.QUEUE_TIMEOUT if is_late and not call.was_running else ServerAnswer.WORKER_DIED

    def _finish(self, call: _Call, verdict: ServerAnswer | None) -> None:
        call.verdict = call.verdict or verdict
        self._forget(call)
        self._release(call.xid)
        call.wake()

    def _forget(self, call: _Call) -> None:
        call.is_final = True
        self._calls.pop(call.xid, None)
        self._queued.discard(call.xid)

    def _release(self, xid: int) -> None:
        try:
            self._port.release(xid)
        except StaleExchange:
            return
        except ShmError as error:
            log.warning("an exchange cannot be released: %s", error)

    def _on_queue_deadline(self, call: _Call) -> None:
        if call.is_final or call.was_running or call.head is not None:
            return
        try:
            if self._port.observe(call.xid).state is not ExchangeState.QUEUED:
                call.was_running = True
            elif self._port.cancel(call.xid):
                self._forget(call)
                call.verdict = ServerAnswer.QUEUE_TIMEOUT
            else:  # a worker was faster, and has been told that it is not wanted
                call.is_dropped = True
                call.verdict = ServerAnswer.QUEUE_TIMEOUT
        except (StaleExchange, CorruptPool):
            self._pump(call)
        call.wake()

    def _abandon(self, call: _Call) -> None:
        """Let a request go whose client is gone."""
        if call.is_final:
            return
        call.is_dropped = True
        call.overflow = b""
        try:
            if self._port.cancel(call.xid):
                self._forget(call)
        except ShmError:
            self._forget(call)
        else:
            self._pump(call)
        call.wake()

    # The response.

    async def _relay(self, exchange: Exchange, call: _Call) -> None:
        while call.head is None and not call.is_final and not call.is_dropped:
            await call.wait()
        if exchange.is_gone and call.is_dropped:
            exchange.abort()
            return
        if call.verdict is not None:
            await self._refuse(exchange, call.verdict)
            return
        response = response_from(call.head) if call.head is not None else None
        if response is None:
            await self._refuse(exchange, ServerAnswer.BAD_RESPONSE)
            return
        is_whole = call.is_final and len(call.buffer) <= _WHOLE_BYTES
        try:
            if is_whole and response.content_length in {None, len(call.buffer)} and exchange.request.method != b"HEAD":
                body = b"".join(iter(call.buffer.take, b""))
                await exchange.respond(response.status, response.headers, body, reason=response.reason)
                return
            await exchange.start(
                response.status,
                response.headers,
                reason=response.reason,
                content_length=self._announced(exchange, call, response),
            )
        except ResponseError as error:
            if exchange.is_started:
                raise
            log.warning("the application's response cannot be sent: %s", error)
            await self._refuse(exchange, ServerAnswer.BAD_RESPONSE)
            return
        await self._stream(exchange, call)

    def _announced(self, exchange: Exchange, call: _Call, response: CgiResponse) -> int | None:
        """Return the length to announce: PHP's, or that of a body that is whole; a body that HEAD left out has none."""
        if response.content_length is None and call.is_final and exchange.request.method != b"HEAD":
            return len(call.buffer)
        return response.content_length

    async def _stream(self, exchange: Exchange, call: _Call) -> None:
        while True:
            data = call.buffer.take()
            if data:
                if call.overflow:
                    self._pump(call)
                await exchange.send(data)
            elif call.is_final or call.is_dropped:
                break
            else:
                await call.wait()
        if call.verdict is not None or call.is_dropped:
            exchange.abort()
        else:
            await exchange.finish()

    async def _refuse(self, exchange: Exchange, answer: ServerAnswer) -> None:
        await exchange.respond(answer.status, answer.headers, answer.content, reason=answer.phrase)
