"""Malformed and odd requests, as bytes on a socket, against the whole server."""

from __future__ import annotations

import socket

import pytest

from tests.e2e.conftest import Behaviours
from tests.e2e.e2e_client import PATIENCE_S, Client

GET = b"GET /pid.php HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
POST = b"POST /pid.php HTTP/1.1\r\n" + HOST

REFUSED = {
    "both lengths": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a length that is no number": POST + b"Content-Length: +3\r\n\r\nabc",
    "obsolete folding": GET + HOST + b"X: a\r\n b\r\n\r\n",
    "bare line feed": b"GET /pid.php HTTP/1.1\nHost: a\n\n",
    "NUL in a value": GET + HOST + b"X: a\0b\r\n\r\n",
    "invalid name": GET + HOST + b"X(Y: a\r\n\r\n",
    "space before the colon": GET + HOST + b"X : a\r\n\r\n",
    "no host": GET + b"\r\n",
    "two hosts": GET + HOST + HOST + b"\r\n",
    "no method": b" /pid.php HTTP/1.1\r\n" + HOST + b"\r\n",
    "chunk size that is no number": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "oversized chunk extension": POST
    + b"Transfer-Encoding: chunked\r\n\r\n1;"
    + b"x" * 100_000
    + b"\r\na\r\n0\r\n\r\n",
    "unknown transfer coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
}


def exchange(address: Behaviours, data: bytes) -> bytes:
    """Send bytes and return everything until the server closes."""
    with socket.create_connection((address.host, address.port), PATIENCE_S) as connection:
        received = b""
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            pass  # the server closed with our bytes unread; what it said before counts
        return received


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_single_reading_is_refused_and_the_connection_closed(behaviours: Behaviours, name: str) -> None:
    answer = exchange(behaviours, REFUSED[name] + GET + HOST + b"\r\n")
    status = int(answer.split(b" ", 2)[1])
    assert status in ({400, 501} if "coding" in name else {400})
    assert answer.count(b"HTTP/1.1 ") == 1  # nothing behind it was taken for a request


def test_absolute_form_names_the_host(behaviours: Behaviours) -> None:
    answer = exchange(
        behaviours, b"GET http://in.target:81/server.php?x=1 HTTP/1.1\r\nHost: in.field\r\nConnection: close\r\n\r\n"
    )
    assert b'"HTTP_HOST":"in.target:81"' in answer
    assert b'"SERVER_NAME":"in.target"' in answer


def test_eight_bit_header_values_reach_php(behaviours: Behaviours) -> None:
    answer = exchange(
        behaviours, b"GET /allheaders.php HTTP/1.1\r\nHost: a\r\nX-Name: J\xc3\xbcrgen\r\nConnection: close\r\n\r\n"
    )
    assert b"J\\u00fcrgen" in answer


def test_pipelined_requests_are_answered_in_order(behaviours: Behaviours) -> None:
    requests = b"".join(
        b"GET /echo.php?id=%d&us=%d HTTP/1.1\r\nHost: a\r\n\r\n" % (n, 20_000 - n * 1000) for n in range(10)
    )
    answer = exchange(behaviours, requests + b"GET /echo.php?id=10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert [line for line in answer.split(b"\r\n") if line.startswith(b"X-Id")] == [b"X-Id: %d" % n for n in range(11)]


def test_options_for_the_whole_server_is_answered(behaviours: Behaviours) -> None:
    assert exchange(behaviours, b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").startswith(
        (b"HTTP/1.1 200", b"HTTP/1.1 204")
    )


def test_a_client_that_asks_first_is_told_to_go_on(behaviours: Behaviours) -> None:
    with socket.create_connection((behaviours.host, behaviours.port), PATIENCE_S) as connection:
        connection.sendall(
            b"POST /sha1.php HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.endswith(b"5 aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")


def test_a_body_over_the_limit_is_refused_before_it_is_sent(behaviours: Behaviours) -> None:
    answer = exchange(behaviours, POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"\r\n\r\naskr: request body too large")


def test_sources_and_dotfiles_are_never_files(behaviours: Behaviours) -> None:
    for path in (
        "/.env",
        "/pid.php.bak",
        "/../worker.php",
        "/%2e%2e/worker.php",
        "/pid.php%00.txt",
        "/..%2fworker.php",
    ):
        with Client(behaviours) as client:
            assert b"<?php" not in client.get(path).body
