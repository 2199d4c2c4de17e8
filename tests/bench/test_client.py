from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
from bench.client import Connection, ConnectionBroken, Recording, keep_asking, request_bytes

T = TypeVar("T")
ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello": (200, b"hello"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n": (200, b"hello"),
    b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n": (502, b""),
    b"HTTP/1.1 200 OK\r\n\r\nhello": (200, b"hello"),
}


async def serve(answers: Sequence[bytes], use: Callable[[int], Awaitable[T]]) -> T:
    """Answer each connection with the next of `answers`, close it, and run `use(port)` meanwhile."""
    left = iter(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(left))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        return await use(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(("wire", "expected"), ANSWERS.items())
def test_an_answer_is_read_to_its_end(wire: bytes, expected: tuple[int, bytes]) -> None:
    async def use(port: int) -> tuple[int, bytes]:
        connection = Connection("127.0.0.1", port)
        answer = await connection.ask(request_bytes("/"))
        connection.close()
        return answer.status, answer.body

    assert asyncio.run(serve([wire], use)) == expected


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_an_answer_that_ends_early_is_a_broken_connection(wire: bytes) -> None:
    async def use(port: int) -> None:
        connection = Connection("127.0.0.1", port)
        with pytest.raises(ConnectionBroken):
            await connection.ask(request_bytes("/"))

    asyncio.run(serve([wire], use))


def test_a_broken_connection_is_noted_and_opened_anew() -> None:
    whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    recording = Recording()

    async def use(port: int) -> None:
        is_over = lambda: len(recording.outcomes) == 3  # noqa: E731 - one expression
        await keep_asking(
            "127.0.0.1", port, [request_bytes("/")], lambda answer: answer.body == b"hello", recording, is_over
        )

    asyncio.run(serve([whole, b"HTTP/1.1 200", whole], use))
    assert [outcome.status for outcome in recording.outcomes] == [200, 0, 200]
    assert len(recording.right()) == 2
