"""PHP is told the same about a request, and its response goes out the same, whether C or Python writes it."""

from __future__ import annotations

import struct
from enum import Enum
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from askr_http._kernel import ffi, lib
from askr_http.cgi import CgiPolicy, request_fields, request_headers, response_from
from askr_http.errors import LocalProtocolError
from askr_http.exchange import Address, RequestHead
from askr_http.h1 import Head, RequestReader
from askr_http.h1_writer import ResponseWriter
from askr_http.limits import Limits
from askr_http.routing import Script
from askr_shm.errors import HeadError
from askr_shm.head import HEADER_TAG, decode_response_head, encode_request_head

LIMITS = Limits()
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
Fields = list[tuple[bytes, bytes]]
Start = tuple[bytes, bool, int | None, bool]
"""An HTTP head, and of its writer: whether it keeps the connection, what is left of the length, whether there is a body."""


class Refusal(Enum):
    """Why there is no HTTP head."""

    NO_HEAD = lib.ASKR_EINVAL
    NOT_TO_BE_SENT = lib.ASKR_ECANCELED


KNOWN_NAMES = [
    "Accept", "Cookie", "X-Foo", "X_Foo", "Proxy", "Trailer", "Connection", "Content-Length", "Content-Type", "Date", "Keep-Alive",
    "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade", "Set-Cookie", "Location", "X-Hop", "_", "a",
]  # fmt: skip
# Names that the rules speak of, more often than chance would have it, in any case.
NAMES = st.one_of(
    st.sampled_from(KNOWN_NAMES),
    st.text("aB-_x", min_size=1, max_size=4),
).flatmap(lambda name: st.sampled_from([name, name.lower(), name.upper(), name.swapcase()]))
VALUES = st.one_of(
    st.sampled_from(["", "close", "1", "12", " 12 ", "007", "close, X-Hop", "date,,\tTE ", "keep-alive", "-1"]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12),
)


def encoded(pairs: list[tuple[str, str]]) -> Fields:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


class Slices:
    """Slices of bytes that live as long as this."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def __call__(self, data: bytes) -> Any:
        buffer = ffi.new("uint8_t[]", data or b"\0")
        self._kept.append(buffer)
        return ffi.new("askr_slice *", [buffer, len(data)])[0]


def native_request(
    wire: bytes, script: Script, policy: CgiPolicy, peer: tuple[Address, Address], now_us: int
) -> bytes | None:
    """Return the head that C writes for PHP, None when the codec defers."""
    slices, rq, scanned = Slices(), ffi.new("askr_request *"), ffi.new("uint32_t *")
    limits = ffi.new("askr_codec_limits *", [LIMITS.head_bytes, LIMITS.target_bytes])
    buffer = ffi.from_buffer("uint8_t[]", wire)
    if lib.askr_codec_read(buffer, len(wire), limits, scanned, rq) != lib.ASKR_CODEC_REQUEST:
        return None
    client, server = peer
    ends = [client.host.encode(), b"%d" % client.port, server.host.encode(), b"%d" % server.port]
    out = ffi.new("uint8_t[65536]")
    size = lib.askr_cgi_request(
        rq,
        ffi.new("askr_script *", [slices(script.name), slices(script.filename), slices(script.path_info)]),
        ffi.new("askr_cgi_policy *", [slices(policy.root), slices(b"https" if policy.https else b"http")]),
        ffi.new("askr_cgi_peer *", [slices(end) for end in ends]),
        rq.content_length,
        now_us,
        out,
        len(out),
    )
    assert size > 0
    return bytes(ffi.buffer(out, size))


def pure_request(wire: bytes, script: Script, policy: CgiPolicy, peer: tuple[Address, Address], now_us: int) -> bytes:
    """Return the head that the pure wire writes for PHP."""
    reader = RequestReader(LIMITS)
    reader.receive(wire)
    head = reader.maybe_next()
    assert isinstance(head, Head)
    request = RequestHead(
        head.method,
        head.target.origin,
        head.target.raw_path,
        head.target.path,
        head.target.query,
        "http",
        head.authority,
        head.headers,
        head.protocol,
        *peer,
        is_tls=False,
    )
    fields = request_fields(request, script, policy, body_bytes=head.content_length or 0, now_wall_us=now_us)
    return encode_request_head(fields, request_headers(request.headers, request.authority))


@given(
    first_line=st.sampled_from(
        [b"GET / HTTP/1.1", b"HEAD /a%20b?x=1&y HTTP/1.1", b"POST //x? HTTP/1.0", b"M-SEARCH /?? HTTP/1.1"]
    ),
    host=st.sampled_from(["a", "Example.test:8000", "[::1]:80", "[::1]", "a:", "", "1.2.3.4", "a_b~c.d-e:65535"]),
    pairs=st.lists(st.tuples(NAMES, VALUES), max_size=12),
    host_at=st.integers(0, 12),
    is_https=st.booleans(),
    now_us=st.integers(0, 2**64 - 1),
)
@example(
    first_line=b"GET / HTTP/1.1",
    host="a",
    pairs=[("Cookie", "a=1"), ("X", ""), ("cookie", "b=2"), ("x", ""), ("X", "3")],
    host_at=0,
    is_https=False,
    now_us=1,
)
def test_php_is_told_the_same_about_a_request(
    *, first_line: bytes, host: str, pairs: list[tuple[str, str]], host_at: int, is_https: bool, now_us: int
) -> None:
    fields = encoded(pairs)
    fields.insert(host_at, (b"Host", host.encode()))
    wire = b"\r\n".join([first_line, *(b"%s: %s" % field for field in fields), b"", b""])
    script = Script(b"/index.php", b"/srv/index.php", b"/rest")
    peer = (Address("192.0.2.9", 5555), Address("2001:db8::1", 8080))
    native = native_request(wire, script, CgiPolicy(b"/srv", https=is_https), peer, now_us)
    assume(native is not None)
    assert native == pure_request(wire, script, CgiPolicy(b"/srv", https=is_https), peer, now_us)


def test_without_a_host_it_is_localhost() -> None:
    wire, script = b"GET / HTTP/1.0\r\n\r\n", Script(b"/i.php", b"/srv/i.php", b"")
    peer = (Address("", 0), Address("", 0))
    native = native_request(wire, script, CgiPolicy(b"/srv", https=False), peer, 1)
    assert native == pure_request(wire, script, CgiPolicy(b"/srv", https=False), peer, 1)
    assert native is not None
    assert native.count(b"localhost") == 2


# The response.


def head_of(status: int, reason: bytes, fields: Fields) -> bytes:
    """Return what a worker writes, whatever stands in it."""
    records = [struct.pack("=HHI", HEADER_TAG, len(name), len(value)) + name + value for name, value in fields]
    return struct.pack("=HH", status, len(reason)) + reason + b"".join(records)


def native_response(
    head: bytes, known: int | None, *, is_head: bool, is_1_1: bool, keeps_alive: bool
) -> Start | Refusal:
    """Return what C makes of a worker's head."""
    slices, writer, out = Slices(), ffi.new("askr_writer *"), ffi.new("uint8_t[65536]")
    lib.askr_writer_init(writer, is_head, is_1_1, keeps_alive)
    length = lib.ASKR_NO_LENGTH if known is None else known
    size = lib.askr_cgi_response(writer, slices(head), length, slices(b"Date: " + DATE + b"\r\n"), out, len(out))
    if size < 0:
        assert not writer.is_started
        return Refusal(size)
    left = None if writer.left == lib.ASKR_NO_LENGTH else writer.left
    return bytes(ffi.buffer(out, size)), bool(writer.keeps_alive), left, bool(writer.has_body)


def pure_response(data: bytes, known: int | None, *, is_head: bool, is_1_1: bool, keeps_alive: bool) -> Start | Refusal:
    """Return the same of the pure wire: PhpOrigin's and H1Exchange's rules about the length, and the writer."""
    try:
        head = decode_response_head(data)
    except HeadError:
        return Refusal.NO_HEAD
    response = response_from(head)
    if response is None:
        return Refusal.NOT_TO_BE_SENT
    length = response.content_length
    if known is not None and length in {None, known}:  # it is whole: H1Exchange.respond
        length = None if response.status == 304 else known
    writer = ResponseWriter(b"HEAD" if is_head else b"GET", is_1_1=is_1_1, keeps_alive=keeps_alive)
    try:
        start = writer.start(
            response.status, response.headers, reason=response.reason, content_length=length, date=DATE
        )
    except LocalProtocolError:
        return Refusal.NOT_TO_BE_SENT
    return start, writer.keeps_alive, writer.left_bytes, writer.has_body


def on_a_get(status: int, fields: Fields, known: int | None) -> example:
    """Return an example of the test below."""
    return example(status=status, reason=b"", fields=fields, known=known, is_head=False, is_1_1=True, keeps_alive=True)


ANY_NAMES = st.one_of(NAMES.map(lambda name: name.encode("latin-1")), st.binary(min_size=1, max_size=5))
ANY_VALUES = st.one_of(VALUES.map(lambda value: value.encode("latin-1")), st.binary(max_size=5))


@given(
    status=st.one_of(st.sampled_from([200, 204, 205, 206, 299, 304, 404, 500]), st.integers(0, 65535)),
    reason=st.one_of(st.just(b""), st.sampled_from([b"Fine", b"a\rb"]), st.binary(max_size=4)),
    fields=st.lists(st.tuples(ANY_NAMES, ANY_VALUES), max_size=8),
    known=st.one_of(st.none(), st.sampled_from([0, 1, 12, 2**40])),
    is_head=st.booleans(),
    is_1_1=st.booleans(),
    keeps_alive=st.booleans(),
)
@on_a_get(200, [(b"Connection", b"Date, X-Hop"), (b"Date", b"yesterday"), (b"x-hop", b"1")], 3)
@on_a_get(200, [(b"DATE", b"yesterday")], None)
@on_a_get(200, [(b"Content-Length", b"5"), (b"content-length", b"5 ")], None)
@on_a_get(200, [(b"Content-Length", b"1" * 18)], None)
@on_a_get(200, [(b"Content-Length", b"1" * 19)], 1)
@on_a_get(304, [(b"Content-Length", b"0")], 0)
@on_a_get(304, [(b"Content-Length", b"7")], 0)
def test_a_response_goes_out_the_same(
    *,
    status: int,
    reason: bytes,
    fields: Fields,
    known: int | None,
    is_head: bool,
    is_1_1: bool,
    keeps_alive: bool,
) -> None:
    head = head_of(status, reason, fields)
    if is_head:
        known = None
    of_c = native_response(head, known, is_head=is_head, is_1_1=is_1_1, keeps_alive=keeps_alive)
    assert of_c == pure_response(head, known, is_head=is_head, is_1_1=is_1_1, keeps_alive=keeps_alive)


@given(
    head=st.one_of(
        st.binary(max_size=40),
        st.builds(
            lambda data, at, byte: data[: at % len(data)] + bytes([byte]) + data[at % len(data) + 1 :],
            st.just(head_of(200, b"", [(b"Content-Length", b"12"), (b"Connection", b"close, X"), (b"X", b"1")])),
            st.integers(0, 1000),
            st.integers(0, 255),
        ),
    )
)
def test_what_is_no_head_is_refused_by_both(head: bytes) -> None:
    of_c = native_response(head, None, is_head=False, is_1_1=True, keeps_alive=True)
    assert of_c == pure_response(head, None, is_head=False, is_1_1=True, keeps_alive=True)
