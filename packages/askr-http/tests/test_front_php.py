"""A running front with a worker behind it: the way to PHP and back."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from front_harness import TIMEOUT_S, App, Front, Worker, hello, running_front

from askr_http.limits import Limits
from askr_shm.pool import PoolSpec
from askr_shm.worker_port import TakenRequest

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

pytestmark = pytest.mark.usefixtures("wire")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "index.php").write_text("<?php")
    (root / "other.php").write_text("<?php")
    return root


class Switch:
    """An app that the tests exchange."""

    app: App = staticmethod(hello)

    def __call__(self, worker: Worker, taken: TakenRequest, body: bytes) -> None:
        self.app(worker, taken, body)


@pytest.fixture(scope="module")
def running(root: Path, wire: str) -> Iterator[tuple[Front, Switch]]:
    switch = Switch()
    with running_front(root, app=switch, limits=Limits(response_memory_bytes=100_000)) as front:
        yield front, switch


def fields_seen(front: Front) -> dict[str, bytes]:
    """Return CGI's fields of the last request that the worker took."""
    assert front.worker is not None
    return {field.name: value for field, value in front.worker.seen[-1].head.fields.items()}


def answer_with(
    switch: Switch, status: int, headers: list[tuple[bytes, bytes]], body: bytes, reason: bytes = b""
) -> None:
    switch.app = lambda worker, taken, _: worker.port.respond(
        taken.xid, body, status=status, headers=headers, reason=reason
    )


def test_a_script_gets_its_names(running: tuple[Front, Switch], root: Path) -> None:
    front, switch = running
    switch.app = hello
    front.get("/other.php/rest?q=1", "X-Forwarded-For: 192.0.2.7")
    fields = fields_seen(front)
    assert fields["SCRIPT_NAME"] == b"/other.php"
    assert fields["SCRIPT_FILENAME"] == os.fsencode(root / "other.php")
    assert fields["PATH_INFO"] == b"/rest"
    assert fields["QUERY"] == b"q=1"
    assert (fields["SERVER_ADDR"], fields["SERVER_PORT"]) == (b"127.0.0.1", str(front.address[1]).encode())
    assert fields["REMOTE_ADDR"] == b"127.0.0.1"
    assert int(fields["REMOTE_PORT"]) > 0


def test_status_reason_and_fields_come_back(running: tuple[Front, Switch]) -> None:
    front, switch = running
    answer_with(switch, 404, [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"), (b"X", b"\xe9")], b"body", b"Nothing")
    answer = front.get("/")
    assert (answer.status, answer.reason, answer.body) == (404, b"Nothing", b"body")
    assert answer.headers["set-cookie"] == b"a=1, b=2"
    assert answer.headers["x"] == b"\xe9"
    assert answer.headers["content-length"] == b"4"


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_response_without_a_body(running: tuple[Front, Switch], status: int) -> None:
    front, switch = running
    answer_with(switch, status, [], b"not to be sent")
    with front.connect() as client:
        for _ in range(2):
            client.send(GET)
            answer = client.answer()
            assert (answer.status, answer.body) == (status, b"")
            assert "transfer-encoding" not in answer.headers
            assert answer.headers.get("content-length") == (b"0" if status == 205 else None)


def test_head_goes_to_php_and_has_no_body(running: tuple[Front, Switch]) -> None:
    front, switch = running
    answer_with(switch, 200, [(b"Content-Length", b"4")], b"body")
    with front.connect() as client:
        client.send(b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        for _ in range(2):
            assert client.answer(is_head=True).headers["content-length"] == b"4"


def test_a_length_that_is_too_long_cuts_the_connection(running: tuple[Front, Switch]) -> None:
    front, switch = running
    answer_with(switch, 200, [(b"Content-Length", b"10")], b"body")
    assert not front.get("/").is_whole


def test_a_length_that_is_too_short_truncates_and_nothing_is_smuggled(running: tuple[Front, Switch]) -> None:
    front, switch = running
    answer_with(switch, 200, [(b"Content-Length", b"4")], b"bodyHTTP/1.1 200 OK\r\n\r\n")
    with front.connect() as client:
        client.send(GET + GET)
        assert [client.answer().body for _ in range(2)] == [b"body", b"body"]


@pytest.mark.parametrize("status", [100, 101, 0, 1000])
def test_what_is_no_final_response_is_a_bad_gateway(running: tuple[Front, Switch], status: int) -> None:
    front, switch = running
    answer_with(switch, status, [], b"")
    assert front.get("/").status == 502


def test_a_flushed_part_goes_out_at_once(running: tuple[Front, Switch]) -> None:
    front, switch = running
    may_go_on = threading.Event()

    def app(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        worker.port.head(taken.xid, 200)
        worker.port.write(taken.xid, b"first")
        worker.port.flush(taken.xid)
        assert may_go_on.wait(TIMEOUT_S)
        worker.port.write(taken.xid, b"second")
        worker.port.finish(taken.xid)

    switch.app = app
    with front.connect() as client:
        client.send(GET)
        while (line := client._line()) and not line.startswith(b"Content-Length"):
            pass
        assert client.chunk() == b"first"
        may_go_on.set()
        assert client.chunk() == b"second"
        assert client.chunk() == b""
        switch.app = hello
        client.send(GET)
        assert client.answer().status == 200


def test_a_response_larger_than_every_buffer_arrives_whole_at_a_slow_reader(running: tuple[Front, Switch]) -> None:
    front, switch = running
    body = os.urandom(1_000_000) * 20
    is_written = threading.Event()

    def app(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        worker.port.head(taken.xid, 200)
        worker.port.write(taken.xid, body)
        worker.port.finish(taken.xid)
        is_written.set()

    switch.app = app
    with front.connect() as client:
        client.send(GET)
        assert is_written.wait(TIMEOUT_S)  # although nothing was read: the worker is free
        answer = client.answer()
    assert answer.is_whole
    assert answer.body == body


def test_a_worker_that_fails_before_the_response_is_a_bad_gateway(running: tuple[Front, Switch]) -> None:
    front, switch = running
    switch.app = lambda worker, taken, _: worker.port.finish(taken.xid, is_failed=True)
    answer = front.get("/")
    assert (answer.status, answer.body) == (502, b"askr: php worker died mid-request")


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_one_that_fails_in_the_middle_is_never_a_clean_end(running: tuple[Front, Switch], version: bytes) -> None:
    front, switch = running
    may_fail = threading.Event()

    def app(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        worker.port.head(taken.xid, 200)
        worker.port.write(taken.xid, b"some")
        worker.port.flush(taken.xid)
        assert may_fail.wait(TIMEOUT_S)
        worker.port.finish(taken.xid, is_failed=True)

    switch.app = app
    with front.connect() as client:
        client.send(b"GET /x HTTP/" + version + b"\r\nHost: a\r\n\r\n")
        data = b""
        while b"some" not in data:
            data += client.sock.recv(1000)
        may_fail.set()
        has_reset = False
        try:
            while piece := client.sock.recv(1000):
                data += piece
        except ConnectionResetError:
            has_reset = True
    assert has_reset or version == b"1.1"  # in HTTP/1.0 the end of the connection would be the end of the body
    assert not data.endswith(b"0\r\n\r\n")


def test_a_client_that_leaves_is_noticed_by_the_worker(running: tuple[Front, Switch]) -> None:
    front, switch = running
    is_taken, is_cancelled = threading.Event(), threading.Event()

    def app(worker: Worker, taken: TakenRequest, _: bytes) -> None:
        is_taken.set()
        turns = threading.Event()
        for _turn in range(1000):
            if worker.port.is_cancelled(taken.xid):
                is_cancelled.set()
                break
            turns.wait(0.005)
        worker.port.finish(taken.xid)

    switch.app = app
    with front.connect() as client:
        client.send(GET)
        assert is_taken.wait(TIMEOUT_S)
    assert is_cancelled.wait(TIMEOUT_S)
    switch.app = hello
    assert front.get("/").status == 200


def test_a_full_pool_is_busy(root: Path) -> None:
    upload = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    pool_spec, limits = PoolSpec(exchanges=2, blocks=64, workers=2), Limits(body_memory_bytes=10)
    may_answer, is_taken = threading.Event(), threading.Event()

    def app(worker: Worker, taken: TakenRequest, body: bytes) -> None:
        is_taken.set()
        assert may_answer.wait(TIMEOUT_S)
        hello(worker, taken, body)

    with running_front(root, app=app, pool_spec=pool_spec, limits=limits) as front:
        with front.connect() as one, front.connect() as two:
            one.send(GET)
            assert is_taken.wait(TIMEOUT_S)
            two.send(upload)
            assert two.answer().status == 100  # its body is to be spooled, so it has its exchange now
            answer = front.get("/")
            assert (answer.status, answer.headers["retry-after"]) == (503, b"1")
            assert answer.body == b"askr: server is busy"
            may_answer.set()
            two.send(b"a" * 100)
            assert [client.answer().status for client in (one, two)] == [200, 200]
        assert front.get("/").status == 200


def test_slow_bodies_together_hold_no_more_memory_than_buffers_may_take(root: Path) -> None:
    upload = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    pool_spec, limits = PoolSpec(exchanges=2, blocks=64, workers=2), Limits(buffer_bytes=1000)
    with running_front(root, pool_spec=pool_spec, limits=limits) as front, contextlib.ExitStack() as stack:
        clients = {client.sock: client for client in (stack.enter_context(front.connect()) for _ in range(3))}
        for client in clients.values():
            client.send(upload)
            assert client.answer().status == 100
        for client in clients.values():  # one fits into memory, one into the spool, which takes one upload
            client.send(b"384\r\n" + b"a" * 900 + b"\r\n")
        (refused,), _, _ = select.select(list(clients), [], [], TIMEOUT_S)
        assert clients.pop(refused).answer().status == 503
        for client in clients.values():
            client.send(b"0\r\n\r\n")
            assert client.answer().status == 200
        assert front.get("/").status == 200


def test_an_upload_that_is_given_up_leaves_nothing(root: Path) -> None:
    upload = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    pool_spec, limits = PoolSpec(exchanges=2, blocks=64, workers=2), Limits(body_memory_bytes=10)
    with running_front(root, pool_spec=pool_spec, limits=limits) as front:
        for _ in range(5):
            with front.connect() as client:
                client.send(upload)
                assert client.answer().status == 100
                client.send(b"a" * 50)
                client.sock.shutdown(socket.SHUT_WR)
                assert client.is_closed()
        assert front.get("/").status == 200


def test_a_request_that_no_worker_takes_in_time_is_given_back(root: Path) -> None:
    with running_front(root, app=None, limits=Limits(queue_timeout_s=0.05)) as front:
        answer = front.get("/")
        assert (answer.status, answer.headers["retry-after"]) == (503, b"1")


def test_worker_mode_gets_everything_that_is_no_file(root: Path) -> None:
    with running_front(root, change=lambda spec: replace(spec, is_worker_mode=True)) as front:
        assert front.get("/other.php/x").status == 200
        fields = fields_seen(front)
        assert (fields["SCRIPT_NAME"], fields["PATH_INFO"]) == (b"/index.php", b"")


def test_a_spool_without_room_is_said(root: Path) -> None:
    spec = PoolSpec(exchanges=4, blocks=64, workers=2, spool_stride_bytes=1 << 16)
    with running_front(root, pool_spec=spec, limits=Limits(body_memory_bytes=1000)) as front:
        answer = front.ask(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000)
        assert answer.status == 507
        assert front.get("/").status == 200
