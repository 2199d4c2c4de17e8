"""What the server itself answers: one row each, and the exceptions that carry a row."""

from __future__ import annotations

from enum import Enum


class ServerAnswer(Enum):
    """An answer of the server itself: status, phrase, body (text/plain, as the contract spells it, without a line feed)."""

    BAD_REQUEST = (400, b"Bad Request", "askr: bad request")
    FORBIDDEN = (403, b"Forbidden", "askr: forbidden")
    NOT_FOUND = (404, b"Not Found", "askr: not found")
    METHOD_NOT_ALLOWED = (405, b"Method Not Allowed", "askr: method not allowed")
    REQUEST_TIMEOUT = (408, b"Request Timeout", "askr: request timeout")
    BODY_TOO_LARGE = (413, b"Content Too Large", "askr: request body too large")
    URI_TOO_LONG = (414, b"URI Too Long", "askr: request target too long")
    RANGE_NOT_SATISFIABLE = (416, b"Range Not Satisfiable", "askr: range not satisfiable")
    EXPECTATION_FAILED = (417, b"Expectation Failed", "askr: expectation failed")
    HEADERS_TOO_LARGE = (431, b"Request Header Fields Too Large", "askr: request head too large")
    INTERNAL = (500, b"Internal Server Error", "askr: internal error")
    NOT_IMPLEMENTED = (501, b"Not Implemented", "askr: transfer coding not implemented")
    WORKER_DIED = (502, b"Bad Gateway", "askr: php worker died mid-request")
    BAD_RESPONSE = (502, b"Bad Gateway", "askr: php sent no response")
    BUSY = (503, b"Service Unavailable", "askr: server is busy")
    QUEUE_TIMEOUT = (503, b"Service Unavailable", "askr: no worker became free in time")
    DRAINING = (503, b"Service Unavailable", "askr: server is stopping")
    VERSION_NOT_SUPPORTED = (505, b"HTTP Version Not Supported", "askr: http version not supported")
    SPOOL_FULL = (507, b"Insufficient Storage", "askr: no room to spool the request body")

    @property
    def status(self) -> int:
        """The status code."""
        return self.value[0]

    @property
    def phrase(self) -> bytes:
        """The reason phrase."""
        return self.value[1]

    @property
    def body(self) -> str:
        """The body in words; the contract ends it without a line feed."""
        return self.value[2]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The header fields of the answer, without framing."""
        fields = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Cache-Control", b"no-store")]
        if self.status == 503:
            fields.append((b"Retry-After", b"1"))
        return fields

    @property
    def content(self) -> bytes:
        """The body in bytes."""
        return self.body.encode()


class ProtocolError(Exception):
    """Base of the protocol's errors."""


class RemoteProtocolError(ProtocolError):
    """Raised when the peer broke the protocol.

    Args:
        sentence: What it did.
        answer: What to answer with, if an answer is still possible; the connection is closed after it.
    """

    def __init__(self, sentence: str, answer: ServerAnswer = ServerAnswer.BAD_REQUEST) -> None:
        super().__init__(sentence)
        self.answer = answer


class LocalProtocolError(ProtocolError):
    """Raised when our side asks for what the protocol does not allow."""
