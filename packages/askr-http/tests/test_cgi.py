from __future__ import annotations

import json

import pytest

from askr_http.access_line import access_line
from askr_http.cgi import CgiPolicy, request_fields, request_headers, response_from
from askr_http.exchange import Address, Headers, RequestHead
from askr_http.routing import Script
from askr_http.target import split_authority
from askr_shm.head import Field, ResponseHead


def head(authority: bytes = b"Example.test:8000", *fields: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(
        b"POST",
        b"/a%20b?x=1",
        b"/a%20b",
        b"/a b",
        b"x=1",
        "http",
        authority,
        Headers(fields),
        "HTTP/1.1",
        Address("192.0.2.9", 5555),
        Address("192.0.2.1", 8080),
        is_tls=False,
    )


def test_the_fields_of_cgi() -> None:
    script = Script(b"/index.php", b"/srv/index.php", b"/rest")
    fields = request_fields(head(), script, CgiPolicy(b"/srv", https=False), body_bytes=7, now_wall_us=1234)
    assert fields == {
        Field.METHOD: b"POST",
        Field.TARGET: b"/a%20b?x=1",
        Field.QUERY: b"x=1",
        Field.SCRIPT_NAME: b"/index.php",
        Field.SCRIPT_FILENAME: b"/srv/index.php",
        Field.PATH_INFO: b"/rest",
        Field.DOCUMENT_ROOT: b"/srv",
        Field.PROTOCOL: b"HTTP/1.1",
        Field.SCHEME: b"http",
        Field.SERVER_NAME: b"Example.test",
        Field.SERVER_PORT: b"8080",
        Field.SERVER_ADDR: b"192.0.2.1",
        Field.REMOTE_ADDR: b"192.0.2.9",
        Field.REMOTE_PORT: b"5555",
        Field.REQUEST_TIME_US: b"1234",
        Field.CONTENT_LENGTH: b"7",
    }


def test_https_of_a_proxy_and_no_body() -> None:
    script = Script(b"/index.php", b"/srv/index.php", b"")
    fields = request_fields(head(), script, CgiPolicy(b"/srv", https=True), body_bytes=0, now_wall_us=1)
    assert fields[Field.SCHEME] == b"https"
    assert Field.CONTENT_LENGTH not in fields


@pytest.mark.parametrize(
    ("authority", "parts"),
    [
        (b"a", (b"a", b"")),
        (b"a:80", (b"a", b"80")),
        (b"[::1]:8000", (b"[::1]", b"8000")),
        (b"[::1]", (b"[::1]", b"")),
        (b"", (b"", b"")),
    ],
)
def test_host_and_port(authority: bytes, parts: tuple[bytes, bytes]) -> None:
    assert split_authority(authority) == parts


def test_what_php_gets_of_the_fields() -> None:
    headers = Headers([
        (b"Host", b"ignored"),
        (b"Cookie", b"a=1"),
        (b"X-Foo", b"proxy says"),
        (b"X_Foo", b"client forges"),
        (b"Proxy", b"http://evil.test"),
        (b"Accept", b"text/html"),
        (b"cookie", b"b=2"),
        (b"accept", b"*/*"),
        (b"Content-Length", b"3"),
        (b"Content-Type", b"text/plain"),
        (b"Transfer-Encoding", b"chunked"),
        (b"X-Name", b"Ren\xe9"),
    ])  # fmt: skip
    assert request_headers(headers, b"example.test:81") == [
        (b"Host", b"example.test:81"),
        (b"Cookie", b"a=1; b=2"),
        (b"X-Foo", b"proxy says"),
        (b"Accept", b"text/html, */*"),
        (b"Content-Type", b"text/plain"),
        (b"X-Name", b"Ren\xe9"),
    ]


def test_without_a_host_it_is_localhost() -> None:
    assert request_headers(Headers([]), b"") == [(b"Host", b"localhost")]


def test_what_goes_out_of_phps_fields() -> None:
    response = response_from(
        ResponseHead(
            299,
            b"Fine",
            [
                (b"Set-Cookie", b"a=1"),
                (b"Connection", b"close, X-Hop"),
                (b"X-Hop", b"1"),
                (b"Transfer-Encoding", b"chunked"),
                (b"set-cookie", b"b=2"),
                (b"Content-Length", b"12"),
            ],
        )
    )
    assert response is not None
    assert (response.status, response.reason, response.content_length) == (299, b"Fine", 12)
    assert response.headers == [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2")]


@pytest.mark.parametrize("lengths", [[b"x"], [b"-1"], [b"1", b"2"], [b""]])
def test_a_length_that_is_none_does_not_count(lengths: list[bytes]) -> None:
    response = response_from(ResponseHead(200, b"", [(b"Content-Length", length) for length in lengths]))
    assert response is not None
    assert response.content_length is None
    assert response.headers == []


@pytest.mark.parametrize("status", [0, 100, 101, 199, 1000])
def test_what_is_no_final_response(status: int) -> None:
    assert response_from(ResponseHead(status, b"", [])) is None


def test_a_line_of_the_access_log() -> None:
    line = access_line(
        ts_wall_s=1, ip="::1", method=b"GET", path=b'/"\xe9', status=200, body_bytes=3, duration_ns=1_234_567
    )
    assert line == b'{"ts":1,"ip":"::1","method":"GET","path":"/\\"\\u00e9","status":200,"bytes":3,"dur_ms":1.23}\n'
    assert json.loads(line)["path"] == '/"é'
