"""The oracle of the fuzz targets: judges the same bytes with the pure wire.

    python oracle.py h1_codec|php_requests|conditions|responses|paths

A question is three numbers (size, a, b) and the bytes. The answer has its size before it, and is what the target should have found.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_to_bytes

from askr_http import routing
from askr_http.cgi import CgiPolicy, request_fields, request_headers, response_from
from askr_http.conditions import Span, Unsatisfiable, Verdict, choose_coding, choose_range, judge_preconditions
from askr_http.errors import LocalProtocolError, RemoteProtocolError
from askr_http.exchange import Address, RequestHead
from askr_http.h1 import Body, End, Head, RequestReader
from askr_http.h1_writer import ResponseWriter
from askr_http.limits import Limits
from askr_http.target import split_authority
from askr_shm.errors import HeadError
from askr_shm.head import decode_response_head, encode_request_head


def number(value: int) -> bytes:
    """Return a number as the targets write it."""
    return struct.pack("=Q", value)


def text(value: bytes) -> bytes:
    """Return bytes with their size before them."""
    return number(len(value)) + value


# fuzz_h1_codec.c

LIMITS: Final = Limits(head_bytes=1500, target_bytes=200)  # as the target's
DEFERRED: Final = (b"transfer-encoding", b"expect", b"upgrade")
METHODS: Final = {b"GET": 1, b"HEAD": 2, b"POST": 3}
KNOWN: Final = {
    name: number
    for number, name in enumerate(
        b"host connection content-length cookie accept-encoding range if-range if-match if-none-match if-modified-since"
        b" if-unmodified-since proxy te trailer".split(),
        start=1,
    )
}


def described(head: Head, head_bytes: int) -> bytes:
    """Return a request as the target describes it."""
    target = head.target
    if target.authority is not None or any(name in head.headers for name in DEFERRED):
        return b"a request that must have been deferred"
    host, _ = split_authority(head.authority)
    parts = [text(part) for part in (head.method, target.origin, target.raw_path, target.query, head.authority, host)]
    flags = (head.protocol == "HTTP/1.1", head.keeps_alive, b"%" in target.raw_path)
    numbers = (head.content_length or 0, head_bytes, METHODS.get(head.method, 0), *flags, len(head.headers))
    parts += [number(value) for value in numbers]
    for name, value in head.headers:
        parts += [text(name), text(value), number(KNOWN.get(name.lower(), 0))]
    return b"".join(parts)


def requests_in(data: bytes, requests: int, is_waiting: int) -> bytes:
    """Return the description of the requests, with what happened instead behind it."""
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
        said.append(f"refused: {error}".encode())
    return b"".join(said)


# fuzz_php_requests.c

SCRIPT: Final = routing.Script(b"/x.php", b"/srv/x.php", b"/info")
POLICY: Final = CgiPolicy(b"/srv", https=False)
CLIENT: Final = Address("192.0.2.1", 4711)
SERVER: Final = Address("::1", 8000)


def head_for_php(data: bytes, _: int, __: int) -> bytes:
    """Return the head as PHP gets it."""
    reader = RequestReader(Limits())
    reader.receive(data)
    head = reader.maybe_next()
    if not isinstance(head, Head):
        return b"no request"
    target = head.target
    request = RequestHead(
        method=head.method,
        target=target.origin,
        raw_path=target.raw_path,
        path=target.path,
        query=target.query,
        scheme="http",
        authority=head.authority,
        headers=head.headers,
        protocol=head.protocol,
        client=CLIENT,
        server=SERVER,
        is_tls=False,
    )
    fields = request_fields(request, SCRIPT, POLICY, body_bytes=head.content_length or 0, now_wall_us=1)
    return encode_request_head(fields, request_headers(request.headers, request.authority))


# fuzz_conditions.c

ETAG: Final = b'"5a-1f"'
MODIFIED_S: Final = 784_111_777
REPRESENTATIONS: Final = ((MODIFIED_S + 100, 1000), (MODIFIED_S + 1, 0))  # the time now, size
VERDICTS: Final = {Verdict.PROCEED: 0, Verdict.NOT_MODIFIED: 1}
CODINGS: Final = {None: 0, b"br": 1, b"gzip": 2}
AVAILABLE: Final = ((), (b"gzip",), (b"br",), (b"br", b"gzip"))


def conditions_of(data: bytes, decided: int, _: int) -> bytes:
    """Return the answers to the questions that the target has decided: two bits for each representation."""
    reader = RequestReader(Limits())
    reader.receive(data)
    head = reader.maybe_next()
    if not isinstance(head, Head):
        return b"no request"
    numbers: list[int] = []
    for at, (now_s, size) in enumerate(REPRESENTATIONS):
        if decided >> 2 * at & 1:
            verdict = judge_preconditions(
                head.method, head.headers, etag=ETAG, modified_wall_s=MODIFIED_S, now_wall_s=now_s
            )
            numbers.append(VERDICTS.get(verdict, 412))
        if decided >> 2 * at & 2:
            part = choose_range(
                head.method, head.headers, size, etag=ETAG, modified_wall_s=MODIFIED_S, now_wall_s=now_s
            )
            if isinstance(part, Span):
                numbers += [1, part.offset, part.length]
            else:
                numbers += [2 if part is Unsatisfiable.YES else 0, 0, 0]
    numbers += [CODINGS[choose_coding(head.headers, available)] for available in AVAILABLE]
    return b"".join(number(value) for value in numbers)


# fuzz_responses.c

DATE: Final = b"Sun, 06 Nov 1994 08:49:37 GMT"
BODY_BYTES: Final = 1000
MOST_CONNECTIONS: Final = 8  # askr_cgi_response.c refuses what no application sends: more, or longer ones together
MOST_CONNECTION_BYTES: Final = 1024


def response_of(data: bytes, flags: int, _: int) -> bytes:
    """Return the head of the response and the writer's state, or why there is none."""
    is_head, is_1_1, keeps_alive, is_whole = (bool(flags & bit) for bit in (1, 2, 4, 8))
    try:
        head = decode_response_head(data)
    except HeadError:
        return b"no head"
    connections = [value for name, value in head.headers if name.lower() == b"connection"]
    if len(connections) > MOST_CONNECTIONS or sum(map(len, connections)) > MOST_CONNECTION_BYTES:
        return b"cannot be sent"
    response = response_from(head)
    if response is None:
        return b"cannot be sent"
    length = response.content_length
    if is_whole and response.status == 304:
        length = None if length == BODY_BYTES else length
    elif is_whole and length is None:
        length = BODY_BYTES
    writer = ResponseWriter(b"HEAD" if is_head else b"GET", is_1_1=is_1_1, keeps_alive=keeps_alive)
    try:
        start = writer.start(
            response.status, response.headers, reason=response.reason, content_length=length, date=DATE
        )
    except LocalProtocolError:
        return b"cannot be sent"
    left = 2**64 - 1 if writer.left_bytes is None else writer.left_bytes
    return start + b"".join(number(value) for value in (writer.status, left, writer.keeps_alive, writer.has_body))


# fuzz_paths.c


def path_of(data: bytes, _: int, __: int) -> bytes:
    """Return the parts of a path, and what they may be."""
    parts = [unquote_to_bytes(part) for part in data.split(b"/")]
    components = [part for part in parts if part not in {b"", b".", b".."}]
    is_directory = parts[-1] in {b"", b".", b".."}
    named = next((at for at, part in enumerate(components) if not routing.is_name(part)), len(components))
    said = [number(len(components)), number(named), number(is_directory), number(routing.is_ambiguous(parts))]
    for at, component in enumerate(components):
        said.append(text(component))
        if at < 8 or at + 2 >= len(components):
            rest = b"".join(b"/" + part for part in components[at + 1 :])
            said.append(text(rest + b"/" if is_directory else rest))
        said += [number(component.endswith(b".php")), number(routing.is_servable(component))]
    return b"".join(said)


ORACLES: Final[dict[str, Callable[[bytes, int, int], bytes]]] = {
    "h1_codec": requests_in,
    "php_requests": head_for_php,
    "conditions": conditions_of,
    "responses": response_of,
    "paths": path_of,
}


def main(name: str) -> None:
    """Answer until the target is gone."""
    oracle = ORACLES[name]
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(numbers := questions.read(24)) == 24:
        size, a, b = struct.unpack("=QQQ", numbers)
        answer = oracle(questions.read(size), a, b)
        answers.write(number(len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
