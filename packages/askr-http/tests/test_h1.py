from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askr_http.errors import RemoteProtocolError, ServerAnswer
from askr_http.h1 import Body, End, Head, RequestReader
from askr_http.limits import Limits

START = b"GET / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
SMALL = Limits(head_bytes=1000, header_count=10, target_bytes=200, chunk_line_bytes=50, chunk_overhead_bytes=100)


def refusal(wire: bytes, limits: Limits, size: int) -> ServerAnswer | None:
    """Return what the wire, fed in pieces of `size` bytes, is refused with."""
    reader = RequestReader(limits)
    for at in range(0, len(wire), size):
        reader.receive(wire[at : at + size])
        try:
            while reader.maybe_next() is not None:
                pass
        except RemoteProtocolError as error:
            return error.answer
    return None


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("wire", "answer"),
    [
        (START + b"X: " + b"a" * 1000 + b"\r\n\r\n", ServerAnswer.HEADERS_TOO_LARGE),
        (START + b"X: a\r\n" * 9 + b"\r\n", None),
        (START + b"X: a\r\n" * 10 + b"\r\n", ServerAnswer.HEADERS_TOO_LARGE),
        (b"GET /" + b"a" * 199 + b" HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n", ServerAnswer.URI_TOO_LONG),
        (b"GET /" + b"a" * 2000, ServerAnswer.URI_TOO_LONG),
        (b"GET /" + b"a" * 2000 + b"\n", ServerAnswer.URI_TOO_LONG),
        (b"GET /\n" + b"a" * 2000, ServerAnswer.BAD_REQUEST),
        (START + b"X: \0" + b"a" * 2000, ServerAnswer.BAD_REQUEST),
        (CHUNKED + b"5;" + b"a" * 49 + b"\r\nhello\r\n0\r\n\r\n", ServerAnswer.BAD_REQUEST),
        (CHUNKED + b"5;" + b"a" * 40, None),
        (CHUNKED + b"5;" + b"a" * 60, ServerAnswer.BAD_REQUEST),
        (CHUNKED + (b"1;" + b"a" * 40 + b"\r\nx\r\n") * 4 + b"0\r\n\r\n", ServerAnswer.BAD_REQUEST),
        (CHUNKED + b"1\r\nx\r\n" * 500 + b"0\r\n\r\n", None),
        (CHUNKED + b"0\r\n" + b"A: b\r\n" * 20 + b"\r\n", ServerAnswer.BAD_REQUEST),
    ],
)
def test_the_limits_hold_however_the_bytes_arrive(wire: bytes, answer: ServerAnswer | None, size: int) -> None:
    assert refusal(wire, SMALL, size) == answer


def test_after_a_refusal_nothing_more_is_read() -> None:
    reader = RequestReader(Limits())
    reader.receive(b"nonsense\r\n\r\n" + START + b"\r\n")
    with pytest.raises(RemoteProtocolError):
        reader.maybe_next()
    reader.receive(START + b"\r\n")
    with pytest.raises(RemoteProtocolError):
        reader.maybe_next()
    assert not reader.is_between_requests


@settings(deadline=None)  # the machine's speed is not what is tested
@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_a_refusal(data: bytes) -> None:
    found = refusal(data, SMALL, 1000)
    assert found is None or 400 <= found.status <= 505


CHUNK_BYTES = st.lists(
    st.sampled_from(
        [
            b"0",
            b"5",
            b"a",
            b"\r\n",
            b"\n",
            b";",
            b"x=y",
            b'"',
            b"hello",
            b" ",
            b"0\r\n\r\n",
            b"5\r\nhello\r\n",
            b"A: b\r\n",
        ]
    ),
    max_size=12,
).map(b"".join)


@settings(deadline=None)  # the machine's speed is not what is tested
@given(CHUNK_BYTES)
def test_what_we_take_as_chunks_h11_takes_too_and_reads_the_same(data: bytes) -> None:
    reader = RequestReader(Limits())
    reader.receive(CHUNKED + data)
    body, is_complete = b"", False
    try:
        while (event := reader.maybe_next()) is not None and not is_complete:
            body += event.data if isinstance(event, Body) else b""
            is_complete = isinstance(event, End)
    except RemoteProtocolError:
        if not is_complete:
            return
    theirs, ends = b"", False
    oracle = h11.Connection(h11.SERVER)
    oracle.receive_data(CHUNKED + data)
    while not ends and (said := oracle.next_event()) is not h11.NEED_DATA:
        theirs += bytes(said.data) if isinstance(said, h11.Data) else b""
        ends = isinstance(said, h11.EndOfMessage)
    assert (body, is_complete) == (theirs, ends)


def test_tiny_chunks_come_together_and_in_bounded_pieces() -> None:
    reader = RequestReader(Limits())
    reader.receive(CHUNKED + b"2\r\nab\r\n" * 3000 + (b"2000\r\n" + b"c" * 8192 + b"\r\n") * 20 + b"x\r\n")
    assert isinstance(reader.maybe_next(), Head)
    sizes = [len(event.data) for _ in range(4) if isinstance(event := reader.maybe_next(), Body)]
    assert sizes == [4096, 1904 + 8 * 8192, 8 * 8192, 4 * 8192]
    for _ in range(2):  # what is wrong is said behind what was right
        with pytest.raises(RemoteProtocolError):
            reader.maybe_next()


def test_expectations() -> None:
    def head(*lines: bytes, version: bytes = b"1.1") -> Head:
        reader = RequestReader(Limits())
        fields = b"".join(line + b"\r\n" for line in lines)
        reader.receive(b"POST / HTTP/" + version + b"\r\nHost: a\r\n" + fields + b"\r\n")
        event = reader.maybe_next()
        assert isinstance(event, Head)
        return event

    expects = head(b"Content-Length: 3", b"Expect: 100-Continue")
    assert expects.expects_continue
    assert not expects.has_unknown_expectation
    assert not head(b"Expect: 100-continue").expects_continue
    assert head(b"Expect: 200-ok", b"Content-Length: 3").has_unknown_expectation
    assert not head(b"Expect: 100-continue", b"Content-Length: 3", version=b"1.0").expects_continue
