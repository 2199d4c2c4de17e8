from __future__ import annotations

import dataclasses
import socket
import threading

import pytest
from bench.crowd import answered, connected, source_address
from bench.idle import Idle, by_name, complaints
from bench.load import Load
from bench.paths import SetupError
from bench.processes import Wakes, parse_wakes
from bench.slow import Pair
from bench.slow_clients import BODY, HEAD, Tally

QUIET = Idle(
    connections=1000,
    pss_bytes=2_000_000,
    private_bytes=1_900_000,
    kernel_bytes=0,
    watched_s=10,
    edge_wakes={"askr-wire": 0},
    other_wakes={"askr": 3},
)


def test_a_thousand_connections_come_from_each_address() -> None:
    assert [source_address(turn) for turn in (0, 999, 1000, 9999)] == [
        "127.0.0.2",
        "127.0.0.2",
        "127.0.0.3",
        "127.0.0.11",
    ]


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhello", False),
        (b"HTTP/1.1 200 OK\r\n", False),
    ],
)
def test_only_a_whole_answer_makes_a_connection_idle(answer: bytes, *, is_right: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection = server.accept()[0]
            connection.recv(100)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with connected(server.getsockname()[1], 0) as connection:
            if is_right:
                answered(connection, b"GET\r\n\r\n", b"hello")
            else:
                with pytest.raises(SetupError):
                    answered(connection, b"GET\r\n\r\n", b"hello")
        thread.join()


def test_idle_connections_may_have_three_kilobytes_and_no_wake_up() -> None:
    assert complaints(QUIET) == []
    assert "3100 bytes" in complaints(dataclasses.replace(QUIET, private_bytes=3_100_000))[0]
    assert "'askr-wire': 2" in complaints(dataclasses.replace(QUIET, edge_wakes={"askr-wire": 2, "askr-front-0": 0}))[0]


def test_wake_ups_are_added_up_by_the_threads_names_and_new_threads_count_whole() -> None:
    before = [Wakes(1, "askr-worker", 10), Wakes(2, "askr-worker", 5)]
    after = [Wakes(1, "askr-worker", 11), Wakes(2, "askr-worker", 5), Wakes(3, "new", 7)]
    assert by_name(before, after) == {"askr-worker": 1, "new": 7}
    text = "Name:\taskr-wire\nState:\tS\nvoluntary_ctxt_switches:\t42\nnonvoluntary_ctxt_switches:\t7\n"
    assert parse_wakes(9, text) == Wakes(9, "askr-wire", 42)


def test_a_slow_client_never_sends_a_whole_head_or_body() -> None:
    assert b"\r\n\r\n" not in HEAD
    head, _, body = BODY.partition(b"\r\n\r\n")
    assert b"Content-Length: 2000" in head
    assert body == b""


def test_the_ratio_is_of_the_ninety_ninth_percentiles() -> None:
    one = Load(10, 1.0, 0, 0, 1.0, 4.0, 9.0)
    assert Pair(one, dataclasses.replace(one, p99_ms=6.0), Tally(), 0.0).share == 1.5
