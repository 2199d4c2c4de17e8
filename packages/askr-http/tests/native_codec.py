"""The C codec for tests: a request as the pure wire reads it, or that it wants more bytes, or that it defers."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from askr_http._kernel import ffi, lib
from askr_http.errors import RemoteProtocolError
from askr_http.h1 import Head, RequestReader
from askr_http.limits import Limits
from askr_http.target import split_authority


class Verdict(IntEnum):
    """What the codec says."""

    MORE = lib.ASKR_CODEC_MORE
    REQUEST = lib.ASKR_CODEC_REQUEST
    DEFER = lib.ASKR_CODEC_DEFER


@dataclass(frozen=True)
class Request:
    """What both wires know of a request; `head_bytes` is where its body begins."""

    method: bytes
    target: bytes
    raw_path: bytes
    query: bytes
    authority: bytes
    host: bytes
    fields: list[tuple[bytes, bytes]]
    protocol: str
    content_length: int
    keeps_alive: bool
    has_escapes: bool
    head_bytes: int


_METHODS = {b"GET": lib.ASKR_METHOD_GET, b"HEAD": lib.ASKR_METHOD_HEAD, b"POST": lib.ASKR_METHOD_POST}


def _text(s: Any) -> bytes:
    return bytes(ffi.buffer(s.at, s.len)[:]) if s.len else b""


def _request(rq: Any) -> Request:
    method = _text(rq.method)
    assert rq.method_id == _METHODS.get(method, lib.ASKR_METHOD_OTHER)
    return Request(
        method=method,
        target=_text(rq.target),
        raw_path=_text(rq.raw_path),
        query=_text(rq.query),
        authority=_text(rq.authority),
        host=_text(rq.host),
        fields=[(_text(field.name), _text(field.value)) for field in rq.fields[0 : rq.field_count]],
        protocol="HTTP/1.1" if rq.is_1_1 else "HTTP/1.0",
        content_length=rq.content_length,
        keeps_alive=bool(rq.keeps_alive),
        has_escapes=bool(rq.has_escapes),
        head_bytes=rq.head_bytes,
    )


class Codec:
    """Reads one head, which may come in pieces.

    Args:
        limits: Of the wire.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = ffi.new("askr_codec_limits *", [limits.head_bytes, limits.target_bytes])
        self._scanned = ffi.new("uint32_t *")
        self._out = ffi.new("askr_request *")

    def read(self, data: bytes) -> tuple[Verdict, Request | None]:
        """Return the verdict about everything that has come of the head, and the request if it is one."""
        return self.read_at(ffi.from_buffer("uint8_t[]", data), len(data))

    def read_at(self, buffer: Any, size: int) -> tuple[Verdict, Request | None]:
        """Return the same for bytes in C's memory."""
        verdict = Verdict(lib.askr_codec_read(buffer, size, self._limits, self._scanned, self._out))
        return verdict, _request(self._out) if verdict is Verdict.REQUEST else None


class Fence:
    """Memory between two pages that cannot be touched: a byte read outside of it ends the process."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        self._size = -(-size // page) * page
        self._map = mmap.mmap(-1, self._size + 2 * page)
        self._begin = ctypes.addressof(ctypes.c_char.from_buffer(self._map)) + page
        libc = ctypes.CDLL(None, use_errno=True)
        for at in (self._begin - page, self._begin + self._size):
            if libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(page), 0) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")

    def copies(self, data: bytes) -> Iterator[Any]:
        """Yield the bytes right behind the first page, and then right before the last one."""
        for at in (self._begin, self._begin + self._size - len(data)):
            ctypes.memmove(at, data, len(data))
            yield ffi.cast("uint8_t *", at)


def pure_request(data: bytes, limits: Limits) -> Request | RemoteProtocolError | None:
    """Return what the pure wire makes of the bytes: a request, a refusal, or None when it waits for more."""
    reader = RequestReader(limits)
    reader.receive(data)
    try:
        head = reader.maybe_next()
    except RemoteProtocolError as error:
        return error
    if head is None:
        return None
    assert isinstance(head, Head)
    assert head.content_length is not None, "a body in chunks must have been deferred"
    assert not head.expects_continue
    assert not head.has_unknown_expectation
    assert head.target.authority is None
    return Request(
        method=head.method,
        target=head.target.origin,
        raw_path=head.target.raw_path,
        query=head.target.query,
        authority=head.authority,
        host=split_authority(head.authority)[0],
        fields=list(head.headers),
        protocol=head.protocol,
        content_length=head.content_length,
        keeps_alive=head.keeps_alive,
        has_escapes=b"%" in head.target.raw_path,
        head_bytes=len(data) - reader.buffered_bytes,
    )
