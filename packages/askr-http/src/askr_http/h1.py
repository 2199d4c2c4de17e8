"""HTTP/1.1 requests, read without I/O (RFC 9112).

h11 judges every head; what it reads more generously than we want to is refused here before it sees it, because where two
servers in a row read a request differently, a third party can put a request of its own between them ("request smuggling"):

    h11 refuses by itself         several Host fields, none in HTTP/1.1, white space before the colon, names that are no token, NUL,
                                  a CR alone, Content-Lengths that differ or are no number, codings other than chunked (501),
                                  8-bit bytes in the target
    h11 takes, refused here       bare LF, obs-fold, Content-Length with Transfer-Encoding, a Content-Length twice or as a list,
                                  Transfer-Encoding in HTTP/1.0, control characters in values, versions other than 1.0 and 1.1,
                                  hosts that are none, targets with fragments or broken escapes

A refusal depends on the bytes alone and not on how they were cut into pieces: of two faults the one that comes first decides.
After a refusal nothing more is read from the connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import h11

from askr_http.errors import RemoteProtocolError, ServerAnswer
from askr_http.exchange import Header, Headers
from askr_http.h1_chunked import ChunkedDecoder
from askr_http.limits import Limits
from askr_http.target import Target, check_authority, parse_target

# A bare LF or CR, an obs-fold, a control character other than HTAB.
_REFUSED: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)|\r\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NUMBER: Final = re.compile(rb"[0-9]{1,18}")
_REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/([0-9])\.([0-9])")
_MOST_EMPTY_LINES: Final = 4  # before a request line; RFC 9112 section 2.2 asks for one
_MOST_OF_CHUNKS: Final = 64 * 1024  # bytes of small chunks that are given out together
_MOST_CHUNKS: Final = 2048  # and how many they may be: some milliseconds of work
_LINE_BESIDE_TARGET: Final = 64  # the longest method and version beside the target


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request.

    Attributes:
        method: As sent.
        target: The target's parts.
        authority: Host and port; empty when there are none.
        headers: The fields.
        protocol: "HTTP/1.0" or "HTTP/1.1".
        content_length: Bytes of the body, None when it is chunked.
        keeps_alive: Whether the client wants another request on this connection.
        expects_continue: Whether the client waits for 100 (Continue) before it sends the body.
        has_unknown_expectation: Whether it expects something else (417).
    """

    method: bytes
    target: Target
    authority: bytes
    headers: Headers
    protocol: str
    content_length: int | None
    keeps_alive: bool
    expects_continue: bool
    has_unknown_expectation: bool


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes of the body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The request is complete; what follows is the next one."""


Event = Head | Body | End


class _At(Enum):
    HEAD = auto()
    LENGTH = auto()
    CHUNKED = auto()
    DEAD = auto()


class RequestReader:
    """Reads the requests of one connection, one after the other: bytes in, events out.

    Args:
        limits: Of the wire.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits: Final = limits
        self._buffer = bytearray()
        self._at = _At.HEAD
        self._left = 0
        self._scanned = 0  # of the buffer, without finding the end of the head
        self._empty_lines = 0
        self._chunked = ChunkedDecoder(0, 0)
        self._fault: RemoteProtocolError | None = None  # in the chunks behind those that were given out

    @property
    def buffered_bytes(self) -> int:
        """Bytes that were received and not given out."""
        return len(self._buffer)

    @property
    def is_between_requests(self) -> bool:
        """Whether nothing of a next request has come."""
        return self._at is _At.HEAD and not self._buffer

    def take_rest(self) -> bytes:
        """Return what was received and not given out, for another reader; only between two requests."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self._buffer += data

    def maybe_next(self) -> Event | None:
        """Return the next event, or None when more bytes are needed.

        Raises:
            RemoteProtocolError: The peer broke the protocol; from now on this raises for ever.
        """
        try:
            if self._at is _At.HEAD:
                return self._maybe_head()
            if self._at is _At.LENGTH:
                return self._maybe_body()
            if self._at is _At.CHUNKED:
                return self._maybe_chunks()
        except RemoteProtocolError:
            self._at = _At.DEAD
            self._buffer.clear()
            raise
        raise RemoteProtocolError("the connection is broken")

    def _end(self) -> End:
        self._at = _At.HEAD
        self._scanned = self._empty_lines = 0
        return End()

    def _maybe_body(self) -> Event | None:
        if self._left == 0:
            return self._end()
        data = bytes(self._buffer[: self._left])
        if not data:
            return None
        del self._buffer[: len(data)]
        self._left -= len(data)
        return Body(data)

    def _maybe_chunks(self) -> Event | None:
        """Return the data of the chunks that have come, several as one: a body in tiny chunks must not cost an event for each."""
        parts: list[bytes] = []
        size = 0
        while size < _MOST_OF_CHUNKS and len(parts) < _MOST_CHUNKS:
            try:
                if self._fault is not None:
                    raise self._fault
                data = self._chunked.decode(self._buffer)
            except RemoteProtocolError as fault:
                if not parts:
                    raise
                self._fault = fault  # what came before it is taken first
                break
            if not data:
                break
            parts.append(data)
            size += len(data)
        if parts:
            return Body(parts[0] if len(parts) == 1 else b"".join(parts))
        return self._end() if self._chunked.is_at_end else None

    def _maybe_head(self) -> Head | None:
        buffer = self._buffer
        while buffer[:2] == b"\r\n":
            self._empty_lines += 1
            if self._empty_lines > _MOST_EMPTY_LINES:
                raise RemoteProtocolError("empty lines instead of a request")
            del buffer[:2]
            self._scanned = 0
        if not buffer:
            return None
        found = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        self._refuse_early(len(buffer) if found < 0 else found + 4, is_whole=found >= 0)
        if found < 0:
            self._scanned = len(buffer)
            return None
        head = bytes(buffer[: found + 4])
        del buffer[: found + 4]
        return self._judge(head)

    def _refuse_early(self, size: int, *, is_whole: bool) -> None:
        """Raise for the fault that comes first in the first `size` bytes, which belong to the head."""
        buffer, limits = self._buffer, self._limits
        stop = size - (not is_whole and buffer[size - 1] == 0x0D)  # a CR at the end may become a CRLF
        faults: list[tuple[int, str, ServerAnswer]] = []
        bad = _REFUSED.search(buffer, max(0, self._scanned - 3), stop)
        if bad is not None:
            faults.append(
                (bad.end(), "a bare CR or LF, a folded line or a control character", ServerAnswer.BAD_REQUEST)
            )
        line_limit = limits.target_bytes + _LINE_BESIDE_TARGET
        if self._scanned <= line_limit < size and buffer.find(b"\r\n", 0, line_limit) < 0:
            faults.append((line_limit + 1, "the target is too long", ServerAnswer.URI_TOO_LONG))
        if size > limits.head_bytes:
            faults.append((limits.head_bytes + 1, "the head is too long", ServerAnswer.HEADERS_TOO_LARGE))
        if faults:
            _, sentence, answer = min(faults, key=lambda fault: fault[0])
            raise RemoteProtocolError(sentence, answer)

    def _judge(self, head: bytes) -> Head:
        if head.count(b"\r\n") - 2 > self._limits.header_count:
            raise RemoteProtocolError("too many header fields", ServerAnswer.HEADERS_TOO_LARGE)
        line = _REQUEST_LINE.fullmatch(head, 0, head.index(b"\r\n"))
        if line is not None and line.groups() not in {(b"1", b"0"), (b"1", b"1")}:
            raise RemoteProtocolError("a version that is not 1.0 or 1.1", ServerAnswer.VERSION_NOT_SUPPORTED)
        request = _judged_by_h11(head, self._limits)
        if len(request.target) > self._limits.target_bytes:
            raise RemoteProtocolError("the target is too long", ServerAnswer.URI_TOO_LONG)
        headers = Headers(_fields(head))
        is_1_1 = request.http_version == b"1.1"
        content_length = _framing(headers, is_1_1=is_1_1)
        target = parse_target(bytes(request.method), bytes(request.target))
        host = headers.get(b"host") or b""
        check_authority(host)
        if target.authority is not None:
            check_authority(target.authority)
        if content_length is None:
            self._at = _At.CHUNKED
            self._chunked = ChunkedDecoder(self._limits.chunk_line_bytes, self._limits.chunk_overhead_bytes)
        else:
            self._at = _At.LENGTH
            self._left = content_length
        options = _options(headers)
        expectations = [value.lower() for value in headers.get_all(b"expect")] if is_1_1 else []
        return Head(
            method=bytes(request.method),
            target=target,
            authority=host if target.authority is None else target.authority,
            headers=headers,
            protocol="HTTP/1.1" if is_1_1 else "HTTP/1.0",
            content_length=content_length,
            keeps_alive=b"close" not in options and (is_1_1 or b"keep-alive" in options),
            expects_continue=expectations == [b"100-continue"] and content_length != 0,
            has_unknown_expectation=any(value != b"100-continue" for value in expectations),
        )


def _judged_by_h11(head: bytes, limits: Limits) -> h11.Request:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes + 1)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        is_coding = error.error_status_hint == 501
        raise RemoteProtocolError(
            str(error), ServerAnswer.NOT_IMPLEMENTED if is_coding else ServerAnswer.BAD_REQUEST
        ) from None
    if not isinstance(event, h11.Request):
        raise RemoteProtocolError("the head is none")
    return event


def _fields(head: bytes) -> list[Header]:
    """Return the fields of a head that was found good; from the bytes, because h11 makes one of two equal Content-Lengths."""
    fields = []
    for line in head[:-4].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields.append((name, value.strip(b" \t")))
    return fields


def _options(headers: Headers) -> set[bytes]:
    """Return the connection options, in lower case."""
    listed = headers.joined(b"connection")
    return {option.strip().lower() for option in listed.split(b",")} if listed else set()


def _framing(headers: Headers, *, is_1_1: bool) -> int | None:
    """Return the length of the body, None for chunked."""
    lengths = headers.get_all(b"content-length")
    if b"transfer-encoding" in headers:
        if lengths:
            raise RemoteProtocolError("Content-Length beside Transfer-Encoding")
        if not is_1_1:
            raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or _NUMBER.fullmatch(lengths[0]) is None:
        raise RemoteProtocolError("not exactly one Content-Length that is a number")
    return int(lengths[0])
