"""A small HTTP/1.1 client over asyncio: keep-alive, Content-Length and chunked bodies, times of every request.

The load generator proper is wrk; this one is for what wrk cannot tell: which answer came when, and which connection broke.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

TIMEOUT_S = 15.0


class ConnectionBroken(Exception):
    """Raised when a connection ended before a whole answer."""


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """What became of one request: `status` is 0 when the connection broke. Times are of the monotonic clock, in seconds."""

    sent_s: float
    done_s: float
    status: int
    is_right: bool


@dataclass
class Recording:
    """The outcomes of a load in the order in which they ended."""

    outcomes: list[Outcome] = field(default_factory=list)

    def right(self) -> list[Outcome]:
        """Return the outcomes that were the answer expected."""
        return [outcome for outcome in self.outcomes if outcome.is_right]


def request_bytes(target: str, *, method: str = "GET", body: bytes = b"", media_type: str = "") -> bytes:
    """Return a whole request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    if body or method == "POST":
        lines += [f"Content-Length: {len(body)}", f"Content-Type: {media_type}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One connection to a server; opened by the first request, and anew after it was closed."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a request and return the whole answer.

        Raises ConnectionBroken.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection(*self._address, limit=1 << 20)
                reader, writer = self._streams
                writer.write(request)
                await writer.drain()
                return await self._read(reader)
        except (OSError, EOFError, asyncio.IncompleteReadError, ValueError) as error:
            self.close()
            raise ConnectionBroken(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        status_line, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        status = int(status_line.split()[1])
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip().lower()
        if headers.get(b"transfer-encoding") == b"chunked":
            body = await _read_chunks(reader)
        elif b"content-length" in headers:
            body = await reader.readexactly(int(headers[b"content-length"]))
        else:
            body = await reader.read()
            headers[b"connection"] = b"close"
        if headers.get(b"connection") == b"close":
            self.close()
        return Answer(status, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        part = (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return b"".join(parts)
        parts.append(part)


async def keep_asking(
    host: str,
    port: int,
    requests: Sequence[bytes],
    is_right: Callable[[Answer], bool],
    recording: Recording,
    is_over: Callable[[], bool],
) -> None:
    """Send `requests` in turn over one connection until `is_over`; a broken connection is noted and opened anew."""
    connection = Connection(host, port)
    turn = 0
    try:
        while not is_over():
            sent_s = time.monotonic()
            try:
                answer = await connection.ask(requests[turn % len(requests)])
            except ConnectionBroken:
                recording.outcomes.append(Outcome(sent_s, time.monotonic(), 0, is_right=False))
                await asyncio.sleep(0)  # a refused connection must not keep the others from running
            else:
                done_s = time.monotonic()
                recording.outcomes.append(Outcome(sent_s, done_s, answer.status, is_right(answer)))
            turn += 1
    finally:
        connection.close()


def ask_once(host: str, port: int, request: bytes) -> Answer:
    """Send one request over a connection of its own.

    Raises ConnectionBroken.
    """

    async def ask() -> Answer:
        connection = Connection(host, port)
        try:
            return await connection.ask(request)
        finally:
            connection.close()

    return asyncio.run(ask())
