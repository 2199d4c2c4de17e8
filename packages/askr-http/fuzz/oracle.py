"""The oracle of fuzz_h1_codec.c: judges the same bytes with the pure wire.

A question is three numbers (size, requests, is_waiting) and the bytes. The answer, its size before it, describes the requests that were
read; behind them stands what happened instead, where that is not what was asked for.
"""

from __future__ import annotations

import struct
import sys
from typing import Final

from askr_http.errors import RemoteProtocolError
from askr_http.h1 import Body, End, Head, RequestReader
from askr_http.limits import Limits

LIMITS: Final = Limits(head_bytes=1500, target_bytes=200)  # as the target's
METHODS: Final = {b"GET": 1, b"HEAD": 2, b"POST": 3}
KNOWN: Final = {
    name: number
    for number, name in enumerate(
        b"host connection content-length cookie accept-encoding range if-range if-match if-none-match if-modified-since"
        b" if-unmodified-since proxy te trailer".split(),
        start=1,
    )
}


def number(value: int) -> bytes:
    """Return a number as the target writes it."""
    return struct.pack("=Q", value)


def text(value: bytes) -> bytes:
    """Return bytes with their size before them."""
    return number(len(value)) + value


def described(head: Head, head_bytes: int) -> bytes:
    """Return a request as the target describes it."""
    target = head.target
    if (
        head.content_length is None
        or head.expects_continue
        or head.has_unknown_expectation
        or target.authority is not None
    ):
        return b"a request that must have been deferred"
    parts = [text(part) for part in (head.method, target.origin, target.raw_path, target.query, head.authority)]
    flags = (head.protocol == "HTTP/1.1", head.keeps_alive, b"%" in target.raw_path)
    numbers = (head.content_length, head_bytes, METHODS.get(head.method, 0), *flags, len(head.headers))
    parts += [number(value) for value in numbers]
    for name, value in head.headers:
        parts += [text(name), text(value), number(KNOWN.get(name.lower(), 0))]
    return b"".join(parts)


def judged(data: bytes, requests: int, *, is_waiting: bool) -> bytes:
    """Return the description of the requests, or what happened instead."""
    reader = RequestReader(LIMITS)
    reader.receive(data)
    said = []
    try:
        for _ in range(requests):
            before = reader.buffered_bytes
            head = reader.maybe_next()
            if not isinstance(head, Head):
                said.append(b"no head")
                break
            said.append(described(head, before - reader.buffered_bytes))
            while isinstance(event := reader.maybe_next(), Body):
                pass
            if not isinstance(event, End):
                break
        if is_waiting and reader.maybe_next() is not None:
            said.append(b"a further event")
    except RemoteProtocolError as error:
        if is_waiting or len(said) < requests:
            said.append(f"refused: {error}".encode())
    return b"".join(said)


def main() -> None:
    """Answer until the target is gone."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(numbers := questions.read(24)) == 24:
        size, requests, is_waiting = struct.unpack("=QQQ", numbers)
        answer = judged(questions.read(size), requests, is_waiting=bool(is_waiting))
        answers.write(number(len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    main()
