from __future__ import annotations

import socket
from pathlib import Path

import pytest
from bench.floor.program import LOOPS, WAYS, floor
from bench.fronts import TITLES, largest_share
from bench.fronts import WAYS as SHARINGS
from bench.peers.floor import is_whole

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
HAS_URING = Path("/usr/include/liburing.h").exists()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nn", False),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\nno", False),
    ],
)
def test_the_floor_sends_whole_answers_only(answer: bytes, *, expected: bool) -> None:
    assert is_whole(answer) is expected


def test_the_busiest_process_s_share_is_of_all_that_was_done() -> None:
    assert largest_share([1, 3]) == 0.75
    assert largest_share([0, 0]) == 0


def test_every_way_to_share_a_port_has_a_name() -> None:
    assert set(TITLES) == set(SHARINGS)


def ask(port: int, times: int) -> list[bytes]:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        found = []
        for _ in range(times):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            found.append(connection.recv(1000))
        return found


@pytest.mark.skipif(not HAS_URING, reason="liburing's headers are not installed (make need-bench)")
@pytest.mark.parametrize("loop", LOOPS)
def test_the_floor_answers_each_request_of_a_connection_over_every_loop(loop: str, tmp_path: Path) -> None:
    with floor(tmp_path, ANSWER, loop=loop) as running:
        assert ask(running.port, 3) == [ANSWER] * 3
    assert [(one.accepted, one.requests) for one in running.counts] == [(1, 3)]


@pytest.mark.skipif(not HAS_URING, reason="liburing's headers are not installed (make need-bench)")
@pytest.mark.parametrize("way", WAYS)
def test_processes_of_the_floor_share_a_port_in_every_way(way: str, tmp_path: Path) -> None:
    with floor(tmp_path, ANSWER, way=way, count=2, accept="one", end="close") as running:
        for _ in range(8):
            assert ask(running.port, 1) == [ANSWER]
    assert len(running.counts) == 2
    assert sum(one.requests for one in running.counts) == 8
