"""HTTP/1.1 responses, written without I/O: framing, and what may not be sent (RFC 9112 section 6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from askr_http.errors import LocalProtocolError
from askr_http.exchange import Header

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE: Final = re.compile(rb"[\0\r\n]")  # would end the field; other controls are the application's business
_OURS: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"proxy-connection", b"upgrade"}
)
_PHRASES: Final = {int(status): status.phrase.encode() for status in HTTPStatus}
_PHRASES[413] = b"Content Too Large"  # RFC 9110's words; those of http.HTTPStatus depend on Python's version
_PHRASES[414] = b"URI Too Long"
_PHRASES[416] = b"Range Not Satisfiable"
_PHRASES[422] = b"Unprocessable Content"


def _head(status: int, reason: bytes, headers: Sequence[Header]) -> list[bytes]:
    if _BAD_VALUE.search(reason):
        raise LocalProtocolError("CR, LF or NUL in a reason phrase")
    lines = [b"HTTP/1.1 %d %s\r\n" % (status, reason or _PHRASES.get(status, b""))]
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _BAD_VALUE.search(value):
            raise LocalProtocolError(f"the header field {name!r} cannot be sent")
        if name.lower() in _OURS:
            raise LocalProtocolError(f"the header field {name!r} is the wire's")
        lines.append(b"%s: %s\r\n" % (name, value))
    return lines


class ResponseWriter:
    """Writes the responses to one request: values in, bytes out.

    Args:
        method: Of the request.
        is_1_1: Whether the client speaks HTTP/1.1.
        keeps_alive: Whether the connection may serve another request after this one.
    """

    def __init__(self, method: bytes, *, is_1_1: bool, keeps_alive: bool) -> None:
        self._is_head: Final = method == b"HEAD"
        self._is_1_1: Final = is_1_1
        self.keeps_alive = keeps_alive
        self.is_started = False
        self.is_finished = False
        self.status = 0
        self.body_bytes = 0
        self._has_body = True
        self._is_chunked = False
        self._left: int | None = None

    @property
    def has_body(self) -> bool:
        """Whether the response has a body to be sent."""
        return self._has_body

    @property
    def left_bytes(self) -> int | None:
        """Bytes of the body that the length in the head still asks for; None when there is none."""
        return self._left

    @property
    def ends_with_connection(self) -> bool:
        """Whether a body is under way whose end is the end of the connection, so that a mere close would make it look whole."""
        return (
            self.is_started and self._has_body and not (self.is_finished or self._is_chunked or self._left is not None)
        )

    def inform(self, status: int, headers: Sequence[Header]) -> bytes:
        """Return an informational response; b"" for a client that knows none.

        Raises:
            LocalProtocolError: It cannot be sent now, or not at all.
        """
        if self.is_started or not 100 <= status <= 199 or status == 101:
            raise LocalProtocolError(f"{status} is not informational, or too late")
        if not self._is_1_1:
            return b""
        return b"".join([*_head(status, b"", headers), b"\r\n"])

    def start(
        self, status: int, headers: Sequence[Header], *, reason: bytes, content_length: int | None, date: bytes
    ) -> bytes:
        """Return the head of the final response.

        Raises:
            LocalProtocolError: It has started, or cannot be sent.
        """
        if self.is_started or not 200 <= status <= 999:
            raise LocalProtocolError(f"{status} is not final, or the response has started")
        lines = _head(status, reason, headers)
        if not any(name.lower() == b"date" for name, _ in headers):
            lines.append(b"Date: %s\r\n" % date)
        self._has_body = not (self._is_head or status in {204, 304})
        if status == 204:
            content_length = None  # RFC 9110 section 8.6: never in a 204
        elif status == 205:
            content_length = 0  # section 15.3.6: no content, and unlike 204 it is framed
        if content_length is not None:
            lines.append(b"Content-Length: %d\r\n" % content_length)
            self._left = content_length if self._has_body else None
        elif self._has_body and self._is_1_1:
            lines.append(b"Transfer-Encoding: chunked\r\n")
            self._is_chunked = True
        elif self._has_body:
            self.keeps_alive = False  # HTTP/1.0: the end of the connection is the end of the body
        if not self.keeps_alive:
            lines.append(b"Connection: close\r\n")
        elif not self._is_1_1:
            lines.append(b"Connection: keep-alive\r\n")
        lines.append(b"\r\n")
        self.is_started = True
        self.status = status
        return b"".join(lines)

    def take(self, size: int) -> int:
        """Return how many of `size` further bytes of the body may be sent, and count them."""
        if not self.is_started or self.is_finished:
            raise LocalProtocolError("a body outside of a response")
        if not self._has_body:
            return 0
        if self._left is not None:
            size = min(size, self._left)
            self._left -= size
        self.body_bytes += size
        return size

    def frame(self, size: int) -> tuple[bytes, bytes]:
        """Return what goes before and after `size` bytes of the body (not 0)."""
        return (b"%x\r\n" % size, b"\r\n") if self._is_chunked else (b"", b"")

    def finish(self) -> bytes:
        """Return what ends the response.

        Raises:
            LocalProtocolError: The body is shorter than the head says; the connection must be cut.
        """
        if not self.is_started or self.is_finished:
            raise LocalProtocolError("nothing to finish")
        if self._left:
            raise LocalProtocolError(f"{self._left} bytes are missing")
        self.is_finished = True
        return b"0\r\n\r\n" if self._is_chunked else b""
