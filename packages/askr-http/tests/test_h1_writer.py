from __future__ import annotations

import pytest

from askr_http.errors import LocalProtocolError
from askr_http.h1_writer import ResponseWriter

DATE = b"Sat, 21 Nov 2026 12:00:00 GMT"


def start(
    status: int = 200,
    *,
    method: bytes = b"GET",
    is_1_1: bool = True,
    keeps_alive: bool = True,
    length: int | None = None,
    reason: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> tuple[ResponseWriter, bytes]:
    writer = ResponseWriter(method, is_1_1=is_1_1, keeps_alive=keeps_alive)
    return writer, writer.start(status, headers, reason=reason, content_length=length, date=DATE)


def test_a_body_of_unknown_length_is_chunked() -> None:
    writer, head = start()
    assert b"\r\nTransfer-Encoding: chunked\r\n" in head
    assert writer.take(10) == 10
    assert writer.frame(10) == (b"a\r\n", b"\r\n")
    assert writer.finish() == b"0\r\n\r\n"
    assert writer.keeps_alive


def test_in_http_1_0_it_ends_with_the_connection() -> None:
    writer, head = start(is_1_1=False)
    assert b"chunked" not in head
    assert head.endswith(b"\r\nConnection: close\r\n\r\n")
    assert writer.ends_with_connection
    assert writer.frame(10) == (b"", b"")
    assert not writer.keeps_alive


def test_http_1_0_is_told_that_the_connection_stays() -> None:
    _, head = start(is_1_1=False, length=3)
    assert b"\r\nConnection: keep-alive\r\n" in head


def test_a_body_is_cut_to_its_announced_length() -> None:
    writer, _ = start(length=5)
    assert [writer.take(3), writer.take(9), writer.take(9)] == [3, 2, 0]
    assert writer.finish() == b""


def test_a_body_that_is_too_short_cannot_be_finished() -> None:
    writer, _ = start(length=5)
    writer.take(3)
    with pytest.raises(LocalProtocolError):
        writer.finish()


@pytest.mark.parametrize(
    ("status", "method", "length", "wanted"),
    [
        (204, b"GET", 0, None),
        (205, b"GET", 7, b"0"),
        (205, b"HEAD", None, b"0"),
        (304, b"GET", None, None),
        (304, b"GET", 7, b"7"),
        (200, b"HEAD", 7, b"7"),
        (200, b"HEAD", None, None),
    ],
)
def test_a_response_without_a_body(status: int, method: bytes, length: int | None, wanted: bytes | None) -> None:
    writer, head = start(status, method=method, length=length)
    assert (b"Content-Length: %s\r\n" % wanted in head) if wanted else (b"Content-Length" not in head)
    assert b"chunked" not in head
    assert writer.take(7) == 0
    assert writer.finish() == b""


def test_reason_phrases() -> None:
    assert start(200)[1].startswith(b"HTTP/1.1 200 OK\r\n")
    assert start(413)[1].startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert start(416)[1].startswith(b"HTTP/1.1 416 Range Not Satisfiable\r\n")
    assert start(299)[1].startswith(b"HTTP/1.1 299 \r\n")
    assert start(404, reason=b"Nothing h\xe9re")[1].startswith(b"HTTP/1.1 404 Nothing h\xe9re\r\n")


def test_a_date_is_added_unless_there_is_one() -> None:
    assert start()[1].count(b"Date: ") == 1
    assert start(headers=((b"date", b"x"),))[1].lower().count(b"date: ") == 1


@pytest.mark.parametrize(
    "field",
    [
        (b"X", b"a\r\nY: b"),
        (b"X\r\n", b"a"),
        (b"X Y", b"a"),
        (b"", b"a"),
        (b"X", b"\0"),
        (b"Content-Length", b"3"),
        (b"transfer-encoding", b"chunked"),
    ],
)
def test_what_would_break_the_message_is_not_sent(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        start(headers=(field,))


def test_informational_responses() -> None:
    writer = ResponseWriter(b"GET", is_1_1=True, keeps_alive=True)
    assert writer.inform(103, [(b"Link", b"</a>")]) == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with pytest.raises(LocalProtocolError):
        writer.inform(101, [])
    with pytest.raises(LocalProtocolError):
        writer.inform(200, [])
    assert ResponseWriter(b"GET", is_1_1=False, keeps_alive=True).inform(103, []) == b""
