"""The exchange: one request with its responses, as every handler sees it and every wire gives it.

A *wire* (pure or native) makes exchanges, a *handler* answers them. Nothing here knows sockets, h11 or an event loop, so that a
handler written against this module runs unchanged over every wire.

The life of an exchange, from the handler's side:

    read_body()* ──▶ inform()* ──▶ respond()                          a complete answer
                              └──▶ start() ──▶ send()|send_file()* ──▶ finish()    a streamed one
    abort() at any moment: the client sees an error, never a clean end

A handler that returns without an answer, or raises before `start`, is answered for by the wire with 500.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from askr_http.errors import ServerAnswer

Header = tuple[bytes, bytes]


class Address(NamedTuple):
    """An address of a socket: a numeric host ("192.0.2.1", "2001:db8::1") and a port; ("", 0) where there is none."""

    host: str
    port: int


class Headers:
    """Header fields in the order in which they came, names as they were written; looked up without regard to case."""

    __slots__ = ("_fields", "_lower")

    def __init__(self, fields: Sequence[Header]) -> None:
        self._fields: Final = tuple(fields)
        self._lower: Final = tuple(name.lower() for name, _ in self._fields)

    def __iter__(self) -> Iterator[Header]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: bytes) -> bool:
        return name in self._lower

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of `name` (lower case), or None."""
        try:
            return self._fields[self._lower.index(name)][1]
        except ValueError:
            return None

    def get_all(self, name: bytes) -> list[bytes]:
        """Return every value of `name` (lower case), in order."""
        return [field[1] for field, lower in zip(self._fields, self._lower, strict=True) if lower == name]

    def joined(self, name: bytes) -> bytes | None:
        """Return the values of `name` (lower case) as one list (RFC 9110 section 5.3), or None."""
        values = self.get_all(name)
        return b", ".join(values) if values else None

    def lowered(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the fields with their names in lower case."""
        return ((lower, field[1]) for field, lower in zip(self._fields, self._lower, strict=True))


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request's head.

    Attributes:
        method: As sent; methods are case-sensitive.
        target: The request target as sent; in absolute form without scheme and authority, so that it starts with `/` or is `*`.
        raw_path: The target's path, still percent-encoded.
        path: The path, percent-decoded once; any bytes.
        query: What follows the first `?`, without it; as sent.
        scheme: "http" or "https".
        authority: Host and port as the client wrote them, from the absolute form or the Host field; empty when there is none.
        headers: The fields.
        protocol: "HTTP/1.0", "HTTP/1.1", "HTTP/2.0" (CGI's words).
        client: The peer of the connection.
        server: The local end of the connection.
        is_tls: Whether this connection is encrypted by us.
    """

    method: bytes
    target: bytes
    raw_path: bytes
    path: bytes
    query: bytes
    scheme: str
    authority: bytes
    headers: Headers
    protocol: str
    client: Address
    server: Address
    is_tls: bool


class ExchangeError(Exception):
    """Base of what an exchange raises."""


class ClientGone(ExchangeError):
    """Raised when the client left, or was given up; nothing can be sent any more."""


class RequestRefused(ExchangeError):
    """Raised by `read_body` when the request cannot be taken.

    Args:
        answer: What to answer with (413, 408, 400), if an answer is still possible; the wire closes the connection after it.
    """

    def __init__(self, answer: ServerAnswer) -> None:
        super().__init__(answer.body)
        self.answer = answer


class ResponseError(ExchangeError):
    """Raised when a handler answers out of order, or with what cannot be sent."""


class Exchange(ABC):
    """One request and its responses.

    Attributes:
        request: The request's head.
    """

    request: RequestHead

    @property
    @abstractmethod
    def content_length(self) -> int | None:
        """Bytes of the request's body; 0 when there is none, None when it is not known before its end (chunked)."""

    @property
    @abstractmethod
    def is_started(self) -> bool:
        """Whether the head of the final response was given out."""

    @property
    @abstractmethod
    def is_gone(self) -> bool:
        """Whether the client left."""

    @abstractmethod
    def on_gone(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called once when the client leaves, at once if it has; None takes the wish back."""

    @abstractmethod
    async def read_body(self) -> bytes:
        """Return the next bytes of the body, b"" at its end. What is not asked for is not read from the client for ever.

        Raises:
            RequestRefused: The body is too large, too slow or malformed.
            ClientGone: The client left before the end.
        """

    @abstractmethod
    async def inform(self, status: int, headers: Sequence[Header] = ()) -> None:
        """Send an informational response (103 ...); nothing for a client of HTTP/1.0.

        Raises:
            ClientGone: The client left.
            ResponseError: The response has started, or `status` is not 1xx or is 101.
        """

    @abstractmethod
    async def respond(self, status: int, headers: Sequence[Header], body: bytes = b"", *, reason: bytes = b"") -> None:
        """Send a complete response; Content-Length is added where there may be one.

        Raises:
            ClientGone: The client left.
            ResponseError: A response has started, or the head cannot be sent.
        """

    @abstractmethod
    async def start(
        self, status: int, headers: Sequence[Header], *, reason: bytes = b"", content_length: int | None = None
    ) -> None:
        """Send the head of a streamed response; `headers` hold no framing fields.

        Args:
            status: 200 to 599.
            headers: Fields, without Content-Length, Transfer-Encoding and Connection, which are the wire's.
            reason: The reason phrase, empty for the standard one.
            content_length: Bytes of the body in advance; the answer to HEAD and a 304 carry it too. None: not known.

        Raises:
            ClientGone: The client left.
            ResponseError: A response has started, or the head cannot be sent.
        """

    @abstractmethod
    async def send(self, data: bytes | memoryview) -> None:
        """Send a part of the body and wait until the wire can take more.

        What exceeds `content_length` is dropped, and so is the body of a response that has none.

        Raises:
            ClientGone: The client left, or did not read for too long.
        """

    @abstractmethod
    async def send_file(self, fd: int, offset: int, length: int) -> None:
        """Send `length` bytes of the file `fd` from `offset` on; the descriptor stays the caller's.

        Raises:
            ClientGone: The client left, did not read for too long, or the file turned out shorter: the connection was cut.
        """

    @abstractmethod
    async def finish(self) -> None:
        """End a streamed response; one that is shorter than its `content_length` is cut instead.

        Raises:
            ClientGone: The client left.
        """

    @abstractmethod
    def abort(self) -> None:
        """Give the response up: the connection is cut so that the client cannot mistake it for a whole one."""


Handler = Callable[[Exchange], Awaitable[None]]
