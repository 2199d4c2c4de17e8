"""A running front: what HTTP asks of a connection."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from front_harness import TIMEOUT_S, Front, Worker, hello, running_front

from askr_http.limits import Limits
from askr_shm.worker_port import TakenRequest

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

pytestmark = pytest.mark.usefixtures("wire")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "index.php").write_text("<?php")
    (root / "a.txt").write_text("static")
    return root


@pytest.fixture(scope="module")
def front(root: Path, wire: str) -> Iterator[Front]:
    with running_front(root, limits=Limits(body_bytes=100_000, body_memory_bytes=20_000)) as running:
        yield running


def test_a_connection_serves_many_requests(front: Front) -> None:
    with front.connect() as client:
        for _ in range(5):
            client.send(GET)
            assert client.answer().body == b"php GET /x "
            client.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.answer().body == b"static"


def test_pipelined_requests_are_answered_in_order(front: Front) -> None:
    with front.connect() as client:
        posts = [b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" % number for number in range(50)]
        client.send(b"".join(posts) + b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [client.answer().body for _ in range(50)] == [b"php POST /%d ab" % number for number in range(50)]
        assert client.answer().body == b"static"


def test_head_has_the_fields_and_no_body(front: Front) -> None:
    with front.connect() as client:
        client.send(b"HEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        answer = client.answer(is_head=True)
        assert answer.headers["content-length"] == b"6"
        assert client.answer().body == b"php GET /x "


def test_http_1_0_is_closed_unless_it_asks_to_stay(front: Front) -> None:
    with front.connect() as client:
        client.send(b"GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = client.answer()
        assert (answer.body, answer.headers["connection"]) == (b"static", b"keep-alive")
        client.send(b"GET /a.txt HTTP/1.0\r\n\r\n")
        assert client.answer().headers["connection"] == b"close"
        assert client.is_closed()


def test_a_client_that_waits_is_told_to_continue_once(front: Front) -> None:
    with front.connect() as client:
        client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"ab")
        client.send(b"cd")
        assert client.answer().body == b"php POST /x abcd"
        client.send(GET)
        assert client.answer().status == 200


@pytest.mark.parametrize(
    ("lines", "status"),
    [(b"Content-Length: 100001\r\nExpect: 100-continue\r\n", 413), (b"Content-Length: 1\r\nExpect: else\r\n", 417)],
)
def test_a_client_that_waits_in_vain_gets_the_refusal_instead(front: Front, lines: bytes, status: int) -> None:
    with front.connect() as client:
        client.send(b"POST /x HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (status, b"close")
        assert client.is_closed()


def test_nobody_is_told_to_continue_for_a_static_file(front: Front) -> None:
    with front.connect() as client:
        client.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, b"close")
        assert client.is_closed()


def test_a_body_that_is_too_large_is_refused_and_the_refusal_arrives(front: Front) -> None:
    with front.connect() as client:
        client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"a" * 4_000_000)
        answer = client.answer()
        assert (answer.status, answer.body) == (413, b"askr: request body too large")


def test_so_is_one_in_chunks(front: Front) -> None:
    with front.connect() as client:
        client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"10000\r\n" + b"a" * 0x10000 + b"\r\n" + b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
        assert client.answer().status == 413


@pytest.mark.parametrize("size", [1, 20_000, 20_001, 100_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_arrives_whole_in_memory_or_spooled(front: Front, size: int, *, is_chunked: bool) -> None:
    body = os.urandom(size)
    with front.connect() as client:
        if is_chunked:
            pieces = [body[at : at + 7001] for at in range(0, size, 7001)]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        else:
            client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + body)
        assert client.answer().status == 200
    assert front.worker is not None
    assert front.worker.bodies[-1] == body
    assert front.worker.seen[-1].head.fields[16] == b"%d" % size  # type: ignore[index] # Field is an IntEnum


def test_options_of_the_server(front: Front) -> None:
    answer = front.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (answer.status, answer.body) == (200, b"")
    assert b"GET" in answer.headers["allow"]


def test_no_server_field_and_a_date(front: Front) -> None:
    for target in ("/a.txt", "/x"):
        headers = front.get(target).headers
        assert "server" not in headers
        assert headers["date"].endswith(b" GMT")


def test_a_head_that_does_not_come_is_answered_with_408(root: Path) -> None:
    with running_front(root, limits=Limits(header_read_timeout_s=0.05)) as front, front.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost:")
        assert client.answer().status == 408
        assert client.is_closed()
        with front.connect() as silent:
            assert silent.is_closed()


def test_a_body_that_does_not_come_is_answered_with_408(root: Path) -> None:
    with running_front(root, limits=Limits(body_read_timeout_s=0.05)) as front, front.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc")
        assert client.answer().status == 408
        assert client.is_closed()


def test_an_idle_connection_is_closed_in_silence(root: Path) -> None:
    with running_front(root, limits=Limits(keepalive_timeout_s=0.05)) as front, front.connect() as client:
        client.send(GET)
        assert client.answer().status == 200
        assert client.is_closed()


def test_more_connections_than_allowed_are_turned_away(root: Path) -> None:
    with running_front(root, limits=Limits(connections=2)) as front:
        with front.connect() as one, front.connect() as two:
            for client in (one, two):
                client.send(GET)
                assert client.answer().status == 200
            with front.connect() as three:
                answer = three.answer()
                assert (answer.status, answer.headers["retry-after"]) == (503, b"1")
                assert three.is_closed()
            one.send(GET)
            assert one.answer().status == 200
        assert front.get("/a.txt").status in {200, 503}


def test_a_front_without_descriptors_waits_and_goes_on(root: Path, wire: str) -> None:
    with running_front(root) as front, front.connect() as client:
        client.send(GET)
        client.answer()
        used = {int(entry.name) for entry in Path(f"/proc/{front.pid}/fd").iterdir()}
        lowest_free = min(set(range(len(used) + 1)) - used)
        before = resource.prlimit(front.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(front.pid, resource.RLIMIT_NOFILE, (lowest_free, before[1]))
        with front.connect() as waiting:
            waiting.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            client.send(GET)
            # To look a name up, the pure wire needs a descriptor; the native one has those of the names that it knows.
            assert client.answer().status == (503 if wire == "pure" else 200)
            assert not select.select([waiting.sock], [], [], 0)[0]
            resource.prlimit(front.pid, resource.RLIMIT_NOFILE, before)
            assert waiting.answer().status == 200
        client.send(GET)
        assert client.answer().status == 200


def test_a_drain_closes_idle_connections_and_lets_requests_finish(root: Path) -> None:
    may_answer = threading.Event()
    taken_one = threading.Event()

    def app(worker: Worker, taken: TakenRequest, body: bytes) -> None:
        taken_one.set()
        may_answer.wait(TIMEOUT_S)
        hello(worker, taken, body)

    with running_front(root, app=app) as front, front.connect() as idle, front.connect() as busy:
        idle.send(b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        idle.answer()
        busy.send(GET)
        assert taken_one.wait(TIMEOUT_S)
        front.terminate()
        assert idle.is_closed()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(front.address)
        may_answer.set()
        answer = busy.answer()
        assert (answer.body, answer.headers["connection"]) == (b"php GET /x ", b"close")
        assert busy.is_closed()


def test_a_drain_is_bounded(root: Path) -> None:
    may_answer = threading.Event()

    def app(worker: Worker, taken: TakenRequest, body: bytes) -> None:
        may_answer.wait(TIMEOUT_S)
        hello(worker, taken, body)

    limits = Limits(drain_timeout_s=0.05)
    with running_front(root, app=app, limits=limits, must_balance=False) as front, front.connect() as busy:
        busy.send(GET)
        front.terminate()
        assert busy.is_closed()
        may_answer.set()


def test_ctrl_c_is_the_masters_business(front: Front) -> None:
    os.kill(front.pid, signal.SIGINT)
    assert front.get("/a.txt").status == 200


def test_an_access_log_that_cannot_be_opened_stops_no_request(root: Path, tmp_path: Path) -> None:
    with running_front(root, change=lambda spec: replace(spec, access_log=str(tmp_path / "gone/log"))) as front:
        assert front.get("/a.txt").status == 200


def test_the_access_log_has_a_line_for_every_response(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    limits = Limits(body_bytes=10)
    with running_front(root, limits=limits, change=lambda spec: replace(spec, access_log=str(path))) as front:
        front.get("/a.txt?secret=1")
        front.get("/x")
        front.get("/a.txt", method="HEAD")
        front.ask(b"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
        front.ask(b"nonsense\r\n\r\n")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["method"], line["path"], line["status"], line["bytes"]) for line in lines] == [
        ("GET", "/a.txt", 200, 6),
        ("GET", "/x", 200, 11),
        ("HEAD", "/a.txt", 200, 0),
        ("POST", "/big", 413, 28),
        ("-", "-", 400, 17),
    ]
    assert all(set(line) == {"ts", "ip", "method", "path", "status", "bytes", "dur_ms"} for line in lines)
    assert all(line["ip"] == "127.0.0.1" for line in lines)
