"""The native wire beside an event loop: what is hot never waits for Python, what is not is lent to it and comes back."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import resource
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from front_harness import TIMEOUT_S, WIRES, Client, Front, Worker, hello, over, running_front

from askr_http.exchange import Exchange
from askr_http.front import process
from askr_http.front.handler import FrontHandler
from askr_http.limits import Limits
from askr_http.wires import WireName
from askr_shm.worker_port import TakenRequest

HOT = b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n"
PHP = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
ABSOLUTE = b"GET http://a/a.txt HTTP/1.1\r\nHost: a\r\n\r\n"
RESET = struct.pack("ii", 1, 0)

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture(scope="module")
def native() -> Iterator[None]:
    with over("native"):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "index.php").write_text("<?php")
    (root / "a.txt").write_text("static")
    return root


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait for what nobody announces."""
    turn, end = threading.Event(), time.monotonic() + TIMEOUT_S
    while not is_true():
        assert time.monotonic() < end, "it did not happen"
        turn.wait(0.005)


def descriptors(front: Front) -> int:
    return len(list(Path(f"/proc/{front.pid}/fd").iterdir()))


# Python never delays what is hot.


def test_a_handler_that_holds_the_gil_delays_no_hot_request(root: Path) -> None:
    """Python's own functions give the GIL up now and then, so a C function that waits without doing so is called."""
    is_held, held = os.pipe()
    may_go_on, release = os.pipe()

    def prepare() -> None:
        class Spinning(FrontHandler):
            async def __call__(self, exchange: Exchange) -> None:
                os.write(held, b"h")
                ctypes.PyDLL(None).read(may_go_on, ctypes.create_string_buffer(1), 1)
                await super().__call__(exchange)

        setattr(process, "FrontHandler", Spinning)  # noqa: B010 - in a process that is made for this test

    with running_front(root, prepare=prepare) as front, front.connect() as slow, front.connect() as hot:
        slow.send(ABSOLUTE)
        assert os.read(is_held, 1) == b"h"  # the event loop stands still from now on
        for _ in range(200):
            hot.send(HOT)
            assert hot.answer().body == b"static"
            hot.send(PHP)
            assert hot.answer().body == b"php GET /x "
        with front.connect() as another:
            another.send(HOT)
            assert another.answer().status == 200
        assert not select.select([slow.sock], [], [], 0)[0]
        os.write(release, b"g")
        assert slow.answer().body == b"static"
    assert front.counters()["requests"] == 401
    for fd in (is_held, held, may_go_on, release):
        os.close(fd)


# What is deferred, and the way back.

DEFERRED = {
    "chunked": (CHUNKED, b"php POST /x hello"),
    "absolute form": (ABSOLUTE, b"static"),
    "an unknown method in a long head": (
        b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"php GET /x ",
    ),
    "a large body": (
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 20) + b"z" * (1 << 20),
        b"php POST /x " + b"z" * 64,
    ),
    "a condition": (
        b'GET /a.txt HTTP/1.1\r\nHost: a\r\nIf-Match: "none"\r\nIf-Unmodified-Since: x\r\n\r\n',
        None,
    ),
}


@pytest.mark.parametrize("name", DEFERRED)
def test_a_deferred_request_is_answered_and_the_connection_returns(root: Path, name: str) -> None:
    wire, body = DEFERRED[name]
    with running_front(root) as front, front.connect() as client:
        for _ in range(3):
            client.send(wire)
            answer = client.answer()
            assert body is None or answer.body == body
            client.send(HOT)
            assert client.answer().body == b"static"
    counters = front.counters()
    assert counters["handed_over"] == 3
    assert counters["requests"] == 3


def test_a_client_that_asks_first_is_told_to_go_on(root: Path) -> None:
    with running_front(root) as front, front.connect() as client:
        client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"hello")
        assert client.answer().body == b"php POST /x hello"
        client.send(HOT)
        assert client.answer().body == b"static"
    assert front.counters()["handed_over"] == 1


@pytest.mark.parametrize("length", range(1, 5))
def test_pipelined_requests_keep_their_order_whoever_answers_them(root: Path, length: int) -> None:
    kinds = {HOT: b"static", PHP: b"php GET /x ", CHUNKED: b"php POST /x hello", ABSOLUTE: b"static"}
    with running_front(root) as front, front.connect() as client:
        for order in itertools.product(kinds, repeat=length):
            client.send(b"".join(order))
            assert [client.answer().body for _ in order] == [kinds[wire] for wire in order]


def test_a_connection_goes_back_and_forth_any_number_of_times(root: Path) -> None:
    with running_front(root) as front, front.connect() as client:
        client.send(HOT + CHUNKED)
        assert [client.answer().body for _ in range(2)] == [b"static", b"php POST /x hello"]
        client.send(HOT)
        client.answer()
        before = descriptors(front)
        for _ in range(300):
            client.send(CHUNKED)
            assert client.answer().body == b"php POST /x hello"
            client.send(HOT)
            assert client.answer().body == b"static"
        wait_until(lambda: descriptors(front) <= before)
    counters = front.counters()
    assert (counters["handed_over"], counters["requests"]) == (301, 302)
    assert (counters["open"], counters["away"], counters["held_bytes"]) == (0, 0, 0)


def test_hundreds_of_hand_overs_at_once_are_all_answered(root: Path) -> None:
    with running_front(root) as front, contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(front.connect()) for _ in range(300)]
        os.kill(front.pid, signal.SIGSTOP)
        for client in crowd:
            client.send(ABSOLUTE + HOT)
        os.kill(front.pid, signal.SIGCONT)
        for client in crowd:
            assert [client.answer().body for _ in range(2)] == [b"static", b"static"]
    counters = front.counters()
    assert (counters["handed_over"], counters["requests"], counters["away"]) == (300, 300, 0)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"]
)
def test_what_is_refused_is_the_end_of_the_connection_whatever_follows(root: Path, data: bytes) -> None:
    with running_front(root) as front, front.connect() as client:
        client.send(data + HOT + PHP)
        assert client.answer().status == 400
        assert client.is_closed()
    counters = front.counters()
    assert (counters["requests"], counters["open"], counters["away"]) == (0, 0, 0)


# Ends at every point of a hand-over.


def reset(client: Client) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.sock.close()


@pytest.mark.parametrize(
    "data",
    [
        ABSOLUTE[:20],
        CHUNKED[:-10],
        CHUNKED,
        CHUNKED + HOT,
        CHUNKED * 20,
        HOT + CHUNKED + HOT + ABSOLUTE,
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 300_000,
        b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
@pytest.mark.parametrize("end", [reset, Client.__exit__, lambda client: client.sock.shutdown(socket.SHUT_WR)])
def test_a_client_that_leaves_in_a_hand_over_leaves_nothing(root: Path, data: bytes, end: Callable[..., None]) -> None:
    with running_front(root) as front:
        front.get("/a.txt")
        front.ask(CHUNKED)
        before = descriptors(front)
        for size in (len(data), len(data) // 2, len(data) - 1):
            for _ in range(4):
                client = front.connect()
                client.send(data[:size])
                if end is Client.__exit__:
                    client.sock.close()
                else:
                    end(client)
                with contextlib.suppress(OSError):
                    client.sock.close()
        wait_until(lambda: descriptors(front) <= before)
        assert front.get("/a.txt").status == 200
    counters = front.counters()
    assert (counters["open"], counters["away"], counters["held_bytes"]) == (0, 0, 0)


def test_a_drain_waits_for_what_is_away(root: Path) -> None:
    may_answer, is_taken = threading.Event(), threading.Event()

    def app(worker: Worker, taken: TakenRequest, body: bytes) -> None:
        is_taken.set()
        assert may_answer.wait(TIMEOUT_S)
        hello(worker, taken, body)

    with running_front(root, app=app) as front, front.connect() as away, front.connect() as idle:
        idle.send(HOT)
        idle.answer()
        away.send(CHUNKED)
        assert is_taken.wait(TIMEOUT_S)
        front.terminate()
        assert idle.is_closed()
        may_answer.set()
        answer = away.answer()
        assert (answer.body, answer.headers["connection"]) == (b"php POST /x hello", b"close")
        assert away.is_closed()
    assert "cut at the end of the drain" not in front.log_text()


def test_what_is_away_is_cut_at_the_end_of_a_drain(root: Path) -> None:
    may_answer, is_taken = threading.Event(), threading.Event()

    def app(worker: Worker, taken: TakenRequest, body: bytes) -> None:
        is_taken.set()
        may_answer.wait(TIMEOUT_S)
        hello(worker, taken, body)

    limits = Limits(drain_timeout_s=0.05)
    with running_front(root, app=app, limits=limits, must_balance=False) as front, front.connect() as away:
        with front.connect() as hot:
            away.send(CHUNKED)
            hot.send(PHP)
            assert is_taken.wait(TIMEOUT_S)
            front.terminate()
            assert away.is_closed()
            assert hot.is_closed()
        may_answer.set()
    assert "2 connections were cut at the end of the drain" in front.log_text()


def test_a_worker_that_dies_while_a_connection_is_away_is_a_bad_gateway(root: Path) -> None:
    def app(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        worker.port.finish(taken.xid, is_failed=True)  # what the master's repair does for one that was killed
        worker.app = hello

    with running_front(root, app=app) as front, front.connect() as client:
        client.send(CHUNKED + HOT)
        assert client.answer().status == 502
        assert client.answer().body == b"static"
        client.send(PHP)
        assert client.answer().status == 200
    assert front.counters()["handed_over"] == 1


# Limits.


def is_served(front: Front) -> bool:
    return front.get("/a.txt").status == 200


def test_an_address_has_its_share_of_connections_only(root: Path) -> None:
    for wire in WIRES:
        limits = Limits(connections_per_address=2)
        with over(wire), running_front(root, limits=limits) as front:
            with front.connect() as one, front.connect() as two:
                for client in (one, two):
                    client.send(CHUNKED)
                    assert client.answer().status == 200
                with front.connect() as three:
                    answer = three.answer()
                assert (answer.status, answer.headers["retry-after"]) == (503, b"1")
                other = socket.create_connection(front.address, TIMEOUT_S, source_address=("127.0.0.2", 0))
                with Client(other) as client:
                    client.send(HOT)
                    assert client.answer().status == 200
                one.send(HOT)
                assert one.answer().status == 200
            wait_until(partial(is_served, front))


def test_accepting_goes_on_when_there_are_descriptors_again(root: Path) -> None:
    with running_front(root) as front:
        front.get("/a.txt")
        before = resource.prlimit(front.pid, resource.RLIMIT_NOFILE)
        held = descriptors(front)
        resource.prlimit(front.pid, resource.RLIMIT_NOFILE, (held, before[1]))
        crowd = [front.connect() for _ in range(10)]
        for client in crowd:
            client.send(HOT)
        wait_until(lambda: "accepting was paused" in front.log_text())
        resource.prlimit(front.pid, resource.RLIMIT_NOFILE, before)
        for client in crowd:
            assert client.answer().status == 200
            client.sock.close()
    assert front.counters()["accept_pauses"] >= 1


def test_slow_clients_by_the_thousand_stop_no_honest_one(root: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    slow_reader = b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    with (root / "large.bin").open("wb") as file:
        file.truncate(1 << 20)
    slow_body = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
    starts = [b"GET / HTT", slow_body, CHUNKED[:-8]] * 3 + [slow_reader]
    crowd = []
    try:
        with running_front(root) as front, front.connect() as honest:
            for number in range(2000):
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.connect(front.address)
                sock.sendall(starts[number % len(starts)])
                crowd.append(sock)
            for _ in range(200):
                honest.send(HOT + PHP)
                assert [honest.answer().status for _ in range(2)] == [200, 200]
            honest.send(CHUNKED)
            assert honest.answer().status == 200
            for sock in crowd:
                sock.close()
    finally:
        for sock in crowd:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_idle_wire_does_not_turn(root: Path) -> None:
    with running_front(root) as front, contextlib.ExitStack() as stack:
        for client in [stack.enter_context(front.connect()) for _ in range(50)]:
            client.send(HOT)
            client.answer()
        before = cpu_ticks(front.pid)
        threading.Event().wait(0.5)
        assert cpu_ticks(front.pid) - before <= 1


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


# The access log.


def talk(front: Front) -> None:
    front.get("/a.txt?secret=1")
    front.get("/x")
    front.get("/a.txt", method="HEAD")
    front.get('/quo"ted/%22\\')
    front.ask(b"GET /gone HTTP/1.0\r\n\r\n")
    front.ask(CHUNKED)
    front.ask(b"POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
    front.ask(b"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 11000000000\r\n\r\n")
    front.ask(b"nonsense\r\n\r\n")
    with front.connect() as client:
        client.send(HOT + PHP + ABSOLUTE + HOT)
        for _ in range(4):
            client.answer()


def test_both_wires_write_the_same_access_log(root: Path, tmp_path: Path) -> None:
    written = {}
    for wire in WIRES:
        path = tmp_path / wire
        with over(wire), running_front(root, change=partial(replace, access_log=str(path))) as front:
            talk(front)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        written[wire] = [
            (list(line), line["ip"], line["method"], line["path"], line["status"], line["bytes"]) for line in lines
        ]
    assert sorted(written["native"]) == sorted(written["pure"])  # two threads write, so neighbours may change places
    assert len(written["native"]) == 13


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("data", [PHP, CHUNKED])
def test_a_client_that_left_before_its_answer_is_a_499(root: Path, tmp_path: Path, wire: WireName, data: bytes) -> None:
    is_taken, is_cancelled = threading.Event(), threading.Event()

    def app(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        is_taken.set()
        wait_until(lambda: worker.port.is_cancelled(taken.xid))
        worker.port.finish(taken.xid)
        is_cancelled.set()

    path = tmp_path / "log"
    change = partial(replace, access_log=str(path))
    with over(wire), running_front(root, app=app, change=change) as front:
        client = front.connect()
        client.send(data)
        assert is_taken.wait(TIMEOUT_S)
        reset(client)
        assert is_cancelled.wait(TIMEOUT_S)
        wait_until(lambda: path.stat().st_size > 0)
    assert [json.loads(line)["status"] for line in path.read_text().splitlines()] == [499]


def test_a_line_that_comes_with_a_hand_over_does_not_wait_for_the_next(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with running_front(root, change=partial(replace, access_log=str(path))) as front, front.connect() as client:
        client.send(HOT + b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000)  # handed over, and no line of Python's
        assert client.answer().body == b"static"
        wait_until(lambda: path.stat().st_size > 0)


def test_lines_reach_the_log_while_the_front_runs_and_none_is_lost(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with (
        running_front(root, change=lambda spec: replace(spec, access_log=str(path))) as front,
        front.connect() as client,
    ):
        client.send(HOT)
        client.answer()
        wait_until(lambda: path.stat().st_size > 0)
        for _ in range(100):
            client.send(HOT * 100)
            for _ in range(100):
                client.answer()
        front.terminate()
        assert client.is_closed()
    assert path.read_text().count("\n") == 10_001
    assert front.counters()["log_dropped"] == 0


def test_the_wires_thread_ends_with_the_front(root: Path) -> None:
    with running_front(root) as front:
        assert front.get("/a.txt").status == 200
        tasks = len(list(Path(f"/proc/{front.pid}/task").iterdir()))
        assert tasks >= 2
        os.kill(front.pid, signal.SIGTERM)
    assert "native wire:" in front.log_text()
