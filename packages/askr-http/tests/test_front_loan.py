"""A connection that was lent: one request is answered on it, and then it goes back, or its end is reported, once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from askr_http.exchange import Exchange, Handler
from askr_http.front.connection import Connection
from askr_http.front.context import FrontContext
from askr_http.front.native_front import WireLoan
from askr_http.front.pure_front import cut_all
from askr_http.limits import Limits

TIMEOUT_S = 10.0
GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Owner:
    """Stands for the native wire: it lends the server's end of a connection and notes what becomes of it."""

    data: bytes = b""
    head_since_mono_ns: int | None = None
    returned: list[tuple[int, bytes]] = field(default_factory=list)
    closings: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def give_back(self, fd: int, data: bytes) -> None:
        self.returned.append((fd, data))
        self.news.set()

    def closed(self) -> None:
        self.closings += 1
        self.news.set()

    async def wait(self) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await self.news.wait()


@dataclass
class Stage:
    """An event loop with a context, and a connection whose ends are `client` and `server`."""

    context: FrontContext
    tasks: asyncio.TaskGroup
    client: socket.socket
    server: socket.socket

    async def lend(self, owner: Owner) -> None:
        """Lend the server's end."""
        connection = partial(Connection, self.context, loan=owner, on_lost=owner.closed)
        await asyncio.get_running_loop().connect_accepted_socket(connection, self.server)

    def take(self, owner: Owner) -> bytes:
        """Take it back as the owner would; return what was read ahead."""
        (fd, rest), owner.returned = owner.returned[0], []
        self.server = socket.socket(fileno=fd)
        return rest

    async def receive(self, size: int = 65536) -> bytes:
        async with asyncio.timeout(TIMEOUT_S):
            return await asyncio.get_running_loop().sock_recv(self.client, size)


async def echo(exchange: Exchange) -> None:
    body = await exchange.read_body()
    await exchange.respond(200, [], exchange.request.target + body)


@contextlib.asynccontextmanager
async def stage(handler: Handler = echo, limits: Limits | None = None) -> AsyncIterator[Stage]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    for sock in (client, server):
        sock.setblocking(False)
    async with asyncio.TaskGroup() as tasks:

        def spawn(make: Callable[[], Coroutine[Any, Any, None]]) -> None:
            tasks.create_task(make())

        context = FrontContext(limits or Limits(), handler, spawn, None)
        yield Stage(context, tasks, client, server)
    client.close()


def sockets() -> list[str]:
    """Return what this process has open of the network; an event loop keeps other things."""
    names = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            names.append(os.readlink(path))  # noqa: PTH115 - "socket:[1]" is no path
    return sorted(name for name in names if name.startswith("socket:"))


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    before = sockets()

    async def main() -> None:
        await scenario()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert sockets() == before


def test_after_an_answer_the_connection_and_what_was_read_ahead_go_back() -> None:
    async def scenario() -> None:
        async with stage() as at:
            owner = Owner(GET % 1 + GET % 2)
            await at.lend(owner)
            await owner.wait()
            assert (await at.receive()).endswith(b"\r\n\r\n/1")
            assert at.take(owner) == GET % 2
            at.client.send(b"later")
            assert at.server.recv(100) == b"later"  # the other descriptor was closed, and nobody read in between
            at.server.send(b"still open")
            assert await at.receive() == b"still open"
            assert owner.closings == 0
            at.server.close()

    run(scenario)


def test_a_connection_can_be_lent_any_number_of_times() -> None:
    async def scenario() -> None:
        async with stage() as at:
            for number in range(50):
                owner = Owner((GET % number)[:10])
                await at.lend(owner)
                at.client.send((GET % number)[10:])
                await owner.wait()
                assert (await at.receive()).endswith(b"/%d" % number)
                assert at.take(owner) == b""
            at.server.close()

    run(scenario)


def test_an_answer_goes_out_before_the_connection_goes_back() -> None:
    size = 20_000_000  # more than the buffers of two sockets hold

    async def large(exchange: Exchange) -> None:
        await exchange.respond(200, [], bytes(size))

    async def scenario() -> None:
        async with stage(large) as at:
            owner = Owner(GET % 1)
            await at.lend(owner)
            received = len(await at.receive())
            assert not owner.returned
            while received < size:
                received += len(await at.receive(1 << 20))
            await owner.wait()
            at.take(owner)
            at.server.close()

    run(scenario)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def forever(_: Exchange) -> None:
    await asyncio.Event().wait()


async def until_gone(exchange: Exchange) -> None:
    gone = asyncio.Event()
    exchange.on_gone(gone.set)
    await gone.wait()


async def raising(_: Exchange) -> None:
    raise RuntimeError


async def starting(exchange: Exchange) -> None:
    await exchange.start(200, [])
    await exchange.send(b"half")
    raise RuntimeError


@pytest.mark.parametrize(
    ("handler", "data", "afterwards"),
    [
        (echo, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", None),
        (echo, b"no request\r\n\r\n", lambda at: at.client.close()),
        (echo, b"", lambda at: at.client.close()),
        (echo, b"GET /x HT", lambda at: reset(at.client)),
        (echo, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", lambda at: reset(at.client)),
        (until_gone, GET % 1, lambda at: reset(at.client)),
        (until_gone, GET % 1, lambda at: cut_all(at.context)),
        (until_gone, GET % 1, lambda at: at.client.shutdown(socket.SHUT_WR)),
        (starting, GET % 1, None),
        (echo, b"GET /x HT", lambda at: cut_all(at.context)),
        (echo, b"", lambda at: at.context.begin_drain()),
    ],
)
def test_an_end_is_reported_once(
    handler: Handler, data: bytes, afterwards: Callable[[Any], None] | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with stage(handler) as at:
            owner = Owner(data)
            await at.lend(owner)
            if afterwards is not None:
                await asyncio.sleep(0)
                afterwards(at)
            await owner.wait()
        assert (owner.closings, owner.returned) == (1, [])
        assert not at.context.connections

    run(scenario)
    assert all("a handler failed" in record.getMessage() for record in caplog.records)


def test_an_exception_is_an_answer_and_the_connection_goes_back(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with stage(raising) as at:
            owner = Owner(GET % 1)
            await at.lend(owner)
            await owner.wait()
            assert (await at.receive()).startswith(b"HTTP/1.1 500 ")
            at.take(owner)
            at.server.close()

    run(scenario)
    assert "a handler failed" in caplog.text


def test_a_connection_that_is_lent_during_a_drain_has_its_request_answered_and_is_closed() -> None:
    async def scenario() -> None:
        async with stage() as at:
            at.context.is_draining = True
            owner = Owner(GET % 1)
            await at.lend(owner)
            await owner.wait()
            assert b"Connection: close" in await at.receive()
            assert await at.receive() == b""
        assert (owner.closings, owner.returned) == (1, [])

    run(scenario)


def test_a_head_that_has_taken_its_time_already_is_not_given_more() -> None:
    async def scenario() -> None:
        async with stage() as at:
            owner = Owner(b"GET / HT", time.monotonic_ns() - 15 * 10**9)
            await at.lend(owner)
            assert (await at.receive()).startswith(b"HTTP/1.1 408 ")
            at.client.close()
            await owner.wait()
        assert owner.closings == 1

    run(scenario)


def test_a_connection_that_outlives_the_wire_is_let_go() -> None:
    class Gone:
        is_closed = True

    ours, theirs = socket.socketpair()
    loan = WireLoan(cast("Any", Gone()), 1, b"", None)
    loan.closed()
    loan.give_back(ours.detach(), b"")
    assert theirs.recv(1) == b""
    theirs.close()


def test_without_a_descriptor_a_connection_stays_and_is_served_on(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with stage() as at:
            owner = Owner()
            await at.lend(owner)
            before = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
            try:
                at.client.send(GET % 1 + GET % 2)
                answers = b""
                while not answers.endswith(b"/2"):
                    answers += await at.receive()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            at.client.send(GET % 3)
            await owner.wait()
            at.take(owner)
            at.server.close()
        assert owner.closings == 0

    run(scenario)
    assert "stays with the event loop" in caplog.text
