"""Slow peers, stopped processes, full disks, exhausted descriptors, and the end of the server."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import APPS, EXPECTED, Behaviours, builds
from tests.e2e.e2e_client import PATIENCE_S, Client
from tests.support import processes, server
from tests.support.books import pool_of

WORKERS = 2


@pytest.fixture
def start(tmp_path: Path, wire: str) -> Iterator[Callable[..., Behaviours]]:
    """Return a function that starts a server of its own for a test."""
    with ExitStack() as stack:

        def run(*flags: str) -> Behaviours:
            process = stack.enter_context(
                server.askr_serve(
                    *(
                        "--root",
                        str(APPS / "behaviours"),
                        "--front",
                        "pid.php",
                        "--workers",
                        str(WORKERS),
                        "--wire",
                        wire,
                        *flags,
                    ),
                    log=tmp_path / "askr.log",
                    declared=EXPECTED,
                    env={"ASKR_PHP": builds()[0], "TMPDIR": str(tmp_path)},
                )
            )
            return Behaviours(process, "per-request", builds()[0], WORKERS, wire)

        yield run


def raw(address: Behaviours) -> socket.socket:
    return socket.create_connection((address.host, address.port), PATIENCE_S)


def refuses(address: Behaviours) -> bool:
    """Return whether nobody listens there any more."""
    try:
        raw(address).close()
    except ConnectionRefusedError:
        return True
    return False


@contextmanager
def many(count: int, make: Callable[[], socket.socket]) -> Iterator[list[socket.socket]]:
    """Open `count` connections and close them at the end."""
    with ExitStack() as stack:
        yield [stack.enter_context(make()) for _ in range(count)]


def assert_answers(address: Behaviours, times: int = 10) -> None:
    with Client(address) as client:
        for _ in range(times):
            assert client.get("/pid.php").status == 200


def test_slow_heads_and_bodies_hold_no_worker(start: Callable[..., Behaviours]) -> None:
    address = start()
    with many(50, lambda: raw(address)) as slow:
        for n, connection in enumerate(slow):
            started = (
                b"GET /pid.php HTTP/1.1\r\nHost"
                if n % 2
                else b"POST /sha1.php HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
            )
            connection.sendall(started)
        assert_answers(address)


def test_slow_readers_hold_no_worker(start: Callable[..., Behaviours]) -> None:
    address = start()
    with many(8, lambda: raw(address)) as slow:
        for connection in slow:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /large.php?n=5000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 200")
        assert_answers(address)
        with pool_of(address.process.pid) as pool:
            address.wait_for(lambda: pool.books().are_balanced)  # the workers are done, and nobody has read it yet


def test_a_head_that_does_not_arrive_in_time_is_a_408(start: Callable[..., Behaviours]) -> None:
    address = start("--header-read-timeout", "1")
    with raw(address) as connection:
        connection.sendall(b"GET /pid.php HTTP/1.1\r\nHost: a\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_request_that_waits_too_long_for_a_worker_is_a_503(start: Callable[..., Behaviours], tmp_path: Path) -> None:
    address = start("--queue-timeout", "1")
    gate = tmp_path / "gate"
    with ExitStack() as stack:
        held = [stack.enter_context(Client(address)) for _ in range(WORKERS)]
        for client in held:
            client.send("GET", f"/gate.php?gate={gate}")
        with pool_of(address.process.pid) as pool:
            address.wait_for(lambda: pool.books().exchanges["running"] == WORKERS)
        with Client(address) as waiting:
            reply = waiting.get("/pid.php")
        assert (reply.status, reply.all("Retry-After")) == (503, ["1"])
        gate.touch()
        assert [client.receive().status for client in held] == [200] * WORKERS


def test_a_stopped_worker_holds_its_own_request_only(start: Callable[..., Behaviours], tmp_path: Path) -> None:
    address = start()
    gate = tmp_path / "gate"
    with Client(address) as held:
        held.send("GET", f"/gate.php?gate={gate}")
        with pool_of(address.process.pid) as pool:
            address.wait_for(lambda: pool.books().exchanges["running"] == 1)
            stopped = pool.busy_pid(WORKERS)
        os.kill(stopped, signal.SIGSTOP)
        try:
            assert_answers(address)
            gate.touch()
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert held.receive().body == str(stopped).encode()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_stopped_idle_worker_holds_nothing_up(start: Callable[..., Behaviours], *, is_chunked: bool) -> None:
    address = start()
    with pool_of(address.process.pid) as pool:
        for stopped in pool.worker_pids(WORKERS)[:-1]:  # all but one
            os.kill(stopped, signal.SIGSTOP)
            address.wait_for(partial(processes.is_stopped, stopped))
        try:
            with Client(address) as client:
                for _ in range(5):  # one at a time: nobody else asks, and whoever is woken may be a stopped one
                    assert client.request("POST", "/sha1.php", body=b"x", chunked=is_chunked).status == 200
        finally:
            for stopped in pool.worker_pids(WORKERS)[:-1]:
                os.kill(stopped, signal.SIGCONT)


def test_running_out_of_descriptors_ends_with_the_shortage(start: Callable[..., Behaviours]) -> None:
    address = start()
    address.expect_log(r"cannot accept", r"open files", r"descriptor", r"Too many open files")
    (front,) = address.process.fronts()
    limits = resource.prlimit(front, resource.RLIMIT_NOFILE)
    held = len(processes.descriptors_of(front))
    resource.prlimit(front, resource.RLIMIT_NOFILE, (held + 8, limits[1]))
    with many(30, lambda: raw(address)) as crowd:
        for connection in crowd:
            connection.sendall(b"GET /pid.php HTTP/1.1\r\nHost: a\r\n\r\n")
        resource.prlimit(front, resource.RLIMIT_NOFILE, limits)
        for connection in crowd:
            assert connection.recv(4096).startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))
    assert_answers(address)


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give servers that are started from now on 1 MiB for temporary files."""
    small = tmp_path / "small"
    small.mkdir()
    command = f"mount -t tmpfs -o size=1m askr-test {shlex.quote(str(small))} && TMPDIR={shlex.quote(str(small))} exec"
    if os.system(f"unshare -m sh -c {shlex.quote(command + ' true')} 2>/dev/null") != 0:
        pytest.skip("this machine lets nobody mount a small file system")
    script = tmp_path / "askr"
    words = shlex.join(server.askr_command())
    script.write_text(f'#!/bin/sh\nexec unshare -m sh -c \'{command} {words} "$@"\' sh "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("ASKR_BIN", str(script))


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_refuses_large_bodies_only(start: Callable[..., Behaviours]) -> None:
    address = start()
    address.expect_log(r"No space left", r"cannot be spooled")
    with Client(address) as client:
        assert client.request("POST", "/sha1.php", body=b"x" * 3_000_000).status == 507
    with Client(address) as client:
        assert client.request("POST", "/sha1.php", body=b"x" * 100_000).status == 200
        assert (
            client.request("POST", "/sha1.php", body=b"x" * 500_000).status == 200
        )  # what was refused left no bytes behind


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_makes_a_worker_wait_for_a_slow_reader_and_loses_nothing(start: Callable[..., Behaviours]) -> None:
    address = start()
    address.expect_log(r"cannot be kept on disk")
    size = 24_000_000  # more than socket buffers, the front's memory, its disk and the window of an exchange hold
    with raw(address) as slow:
        slow.sendall(b"GET /large.php?n=%d HTTP/1.0\r\nHost: a\r\n\r\n" % size)
        address.wait_for(lambda: "cannot be kept on disk" in address.process.log_text())
        assert_answers(address)
        answer = b"".join(iter(lambda: slow.recv(1 << 20), b""))
    body = answer.partition(b"\r\n\r\n")[2]
    assert body == b"".join(b"%015d\n" % number for number in range(size // 16))
    assert address.process.log_text().count("cannot be kept on disk") == 1


def test_a_stop_finishes_what_is_in_flight_and_closes_what_is_idle(
    start: Callable[..., Behaviours], tmp_path: Path
) -> None:
    address = start()
    gate = tmp_path / "gate"
    with Client(address) as busy, many(20, lambda: raw(address)) as idle:
        for connection in idle:
            connection.sendall(b"GET /pid.php HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        busy.send("GET", f"/gate.php?gate={gate}")
        with pool_of(address.process.pid) as pool:
            address.wait_for(lambda: pool.books().exchanges["running"] == 1)
        os.kill(address.process.pid, signal.SIGTERM)
        for connection in idle:
            assert connection.recv(4096) == b""  # closed, although the busy one is not done
        address.wait_for(lambda: refuses(address))
        gate.touch()
        reply = busy.receive()
        assert reply.status == 200
        assert reply.all("Connection") == ["close"]
