"""A running front and peers that mean harm: they drip, do not read, hoard, or write nonsense into shared memory."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from front_harness import TIMEOUT_S, App, Client, Front, Worker, hello, running_front

from askr_http.front.connection import Connection
from askr_http.front.context import FrontContext
from askr_http.limits import Limits
from askr_shm._kernel import lib
from askr_shm.pool import PoolSpec
from askr_shm.worker_port import TakenRequest

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = 24 << 20  # more than the buffers of two sockets hold

pytestmark = pytest.mark.usefixtures("wire")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "index.php").write_text("<?php")
    with (root / "large.bin").open("wb") as file:
        file.truncate(LARGE)
    return root


def drip(client: Client, data: bytes) -> bytes:
    """Send `data` again and again, byte by byte, until the front says something; return that."""
    for byte in data * 100:
        if select.select([client.sock], [], [], 0.02)[0]:
            break
        client.sock.send(bytes([byte]))
    return client.sock.recv(65536)


def test_each_head_has_its_own_deadline_and_dripping_does_not_move_it(root: Path) -> None:
    with running_front(root, limits=Limits(header_read_timeout_s=0.3)) as front, front.connect() as client:
        client.send(GET + GET + b"GET /third HTTP/1.1\r\n")
        assert [client.answer().status for _ in range(2)] == [200, 200]
        assert drip(client, b"A: b\r\n").startswith(b"HTTP/1.1 408 ")
        assert client.is_closed()


def test_nor_does_a_head_that_begins_late(root: Path) -> None:
    limits = Limits(header_read_timeout_s=0.3, keepalive_timeout_s=TIMEOUT_S)
    with running_front(root, limits=limits) as front, front.connect() as client:
        client.send(GET)
        assert client.answer().status == 200
        client.send(b"\r\n")  # an empty line before a request is not its beginning
        assert drip(client, b"GET /second HTTP/1.1\r\nA: b\r\n").startswith(b"HTTP/1.1 408 ")


def lazy(front: Front, wire: bytes) -> socket.socket:
    """Return a connection that asks for `wire` and has a small buffer for the answer."""
    sock = socket.socket()
    sock.settimeout(TIMEOUT_S)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(front.address)
    sock.sendall(wire)
    return sock


def is_cut(sock: socket.socket) -> bool:
    """Whether the front resets the connection, which happens without a byte being read; waits for it."""
    poll = select.poll()
    poll.register(sock, select.POLLHUP | select.POLLERR)
    return bool(poll.poll(TIMEOUT_S * 1000))


@pytest.mark.parametrize("target", [b"/large.bin", b"/from/php"])
def test_who_does_not_read_is_cut_in_time(root: Path, target: bytes) -> None:
    def app(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        worker.port.respond(taken.xid, bytes(LARGE))

    with (
        running_front(root, app=app, limits=Limits(write_timeout_s=0.3)) as front,
        lazy(front, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n") as sock,
    ):
        assert is_cut(sock)


def test_who_does_not_read_pipelined_answers_is_cut_in_time(root: Path) -> None:
    def app(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        worker.port.respond(taken.xid, bytes(100_000))

    with (
        running_front(root, app=app, limits=Limits(write_timeout_s=0.3, keepalive_timeout_s=0.3)) as front,
        lazy(front, GET * 300) as sock,
    ):
        assert is_cut(sock)
        assert front.worker is not None
        assert len(front.worker.seen) < 300  # it was not answered into memory


def scribble_head(worker: Worker, taken: TakenRequest, head: bytes) -> None:
    """Write a head that nobody has looked at."""
    assert lib.askr_response_head(worker.port._pool.handle, taken.xid, head, len(head)) == 0
    worker.port.flush(taken.xid)


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("=HHHHI", 200, 0, 100, 1, 4) + b"Aa\r\nB",  # another field in a value
        struct.pack("=HHHHI", 200, 0, 100, 1, 4000) + b"Aa",
        struct.pack("=HH", 200, 9),
        b"\xff",
    ],
)
def test_a_response_that_cannot_be_read_is_a_bad_gateway_and_costs_no_exchange(root: Path, head: bytes) -> None:
    is_told = threading.Event()

    def scribbler(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        scribble_head(worker, taken, head)
        turns = threading.Event()
        for _turn in range(1000):
            if worker.port.is_cancelled(taken.xid):
                is_told.set()
                break
            turns.wait(0.005)
        worker.port.finish(taken.xid)
        worker.app = hello

    with running_front(root, app=scribbler) as front:
        answer = front.get("/")
        assert (answer.status, answer.body) == (502, b"askr: php worker died mid-request")
        assert is_told.wait(TIMEOUT_S)
        assert front.get("/").status == 200  # and the books balance at the end


def responds(*headers: tuple[bytes, bytes]) -> App:
    return lambda worker, taken, _: worker.port.respond(taken.xid, b"x", headers=headers)


def test_a_field_that_cannot_be_sent_is_a_bad_gateway(root: Path) -> None:
    with running_front(root, app=responds((b"X Y", b"z"))) as front:
        answer = front.get("/")
        assert (answer.status, answer.body) == (502, b"askr: php sent no response")


def test_slow_uploads_leave_exchanges_for_the_others(root: Path) -> None:
    upload = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    pool_spec, limits = PoolSpec(exchanges=4, blocks=64, workers=2), Limits(body_memory_bytes=10)
    with running_front(root, pool_spec=pool_spec, limits=limits) as front:
        with front.connect() as one, front.connect() as two:
            for client in (one, two):
                client.send(upload)
                assert client.answer().status == 100
            assert front.ask(upload).status == 503
            assert front.get("/").status == 200
            for client in (one, two):
                client.send(b"a" * 100)
                assert client.answer().status == 200
        assert front.ask(upload).status == 100


class StillTransport:
    """A transport on which nothing happens but what the test does."""

    def __init__(self) -> None:
        self.is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return "192.0.2.1", 1

    def set_write_buffer_limits(self, **_limits: int) -> None:
        """Do nothing."""


def test_a_client_that_is_faster_than_its_reader_waits_also_inside_a_body() -> None:
    async def talk() -> list[bool]:
        context = FrontContext(Limits(), cast("Any", None), lambda _: None, None)
        connection, transport = Connection(context), StillTransport()
        connection.connection_made(cast("Any", transport))
        connection.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n")
        waiting = asyncio.create_task(connection.wait_for_data(TIMEOUT_S))
        await asyncio.wait([waiting], timeout=0)
        seen = [transport.is_paused]
        connection.data_received(b"a" * 200_000)  # more may come before whoever waits has its turn
        seen.append(transport.is_paused)
        await waiting
        again = asyncio.create_task(connection.wait_for_data(TIMEOUT_S))
        await asyncio.wait([again], timeout=0)
        seen.append(transport.is_paused)
        connection.connection_lost(None)
        await again
        return seen

    assert asyncio.run(talk()) == [False, True, False]
