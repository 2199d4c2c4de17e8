"""A small HTTP/1.1 client that shows what is on the wire: one connection, kept alive, no redirects, no retries."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import h11

PATIENCE_S = 60.0  # how long a test waits for bytes before it calls the server hung


class Address(Protocol):
    """Where a server listens."""

    @property
    def host(self) -> str:
        """An IP address."""

    @property
    def port(self) -> int:
        """A TCP port."""


@dataclass(frozen=True)
class Reply:
    """A whole response; `headers` in the order and case of the wire."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of a header field, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


class Client:
    """One connection; raises ConnectionError when the server cuts it inside a response."""

    def __init__(self, address: Address) -> None:
        """Connect to `address`."""
        self._socket = socket.create_connection((address.host, address.port), PATIENCE_S)
        self._authority = f"{address.host}:{address.port}"
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        self.local_port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        """Return self; the connection is closed on exit."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        chunked: bool = False,
    ) -> None:
        """Send a request and wait for nothing."""
        if self._h11.our_state is h11.DONE:
            self._h11.start_next_cycle()
        fields = {"Host": self._authority, **(headers or {})}
        if chunked:
            fields["Transfer-Encoding"] = "chunked"
        elif body or method in {"POST", "PUT"}:
            fields["Content-Length"] = str(len(body))
        data = self._h11.send(h11.Request(method=method, target=target, headers=list(fields.items()))) or b""
        step = 50_000 if chunked else max(len(body), 1)
        for start in range(0, len(body), step):
            data += self._h11.send(h11.Data(data=body[start : start + step])) or b""
        self._socket.sendall(data + (self._h11.send(h11.EndOfMessage()) or b""))

    def _next_event(self) -> Any:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            data = self._socket.recv(65536)
            try:
                self._h11.receive_data(data)
                if not data:
                    event = self._h11.next_event()
                    if isinstance(event, h11.ConnectionClosed):
                        break
                    return event
            except h11.RemoteProtocolError as error:
                raise ConnectionError(str(error)) from error
        if isinstance(event, h11.ConnectionClosed):
            message = "the server closed the connection instead of answering"
            raise ConnectionError(message)
        return event

    def head(self) -> h11.Response:
        """Read a response head, informational ones skipped."""
        while not isinstance(event := self._next_event(), h11.Response):
            assert isinstance(event, h11.InformationalResponse), event
        return event

    def parts(self) -> Iterator[bytes]:
        """Read what is left of a response, as it arrives."""
        while isinstance(event := self._next_event(), h11.Data):
            yield bytes(event.data)

    def stream(self) -> Iterator[bytes]:
        """Read a response's body as it arrives."""
        self.head()
        yield from self.parts()

    def receive(self) -> Reply:
        """Read a whole response."""
        head = self.head()
        body = b"".join(self.parts())
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items()]
        return Reply(head.status_code, head.reason.decode("latin-1"), headers, body)

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        chunked: bool = False,
    ) -> Reply:
        """Send a request and read its response."""
        self.send(method, target, headers, body, chunked=chunked)
        return self.receive()

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Reply:
        """GET `target`."""
        return self.request("GET", target, headers)
