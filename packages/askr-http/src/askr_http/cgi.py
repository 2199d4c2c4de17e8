"""A request as PHP sees it, and PHP's response as HTTP may carry it (RFC 3875, contract "php-request")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from askr_http.exchange import Header, Headers, RequestHead
from askr_http.routing import Script
from askr_http.target import split_authority
from askr_shm.head import Field, ResponseHead

_NUMBER: Final = re.compile(rb"[0-9]{1,18}")
# Of this connection and its messages, not of the resource (RFC 9110 section 7.6.1); Content-Length is checked beside it.
_HOP_BY_HOP: Final = frozenset({
    b"connection", b"content-length", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
# `Proxy` would become HTTP_PROXY, which HTTP clients inside the application obey (CVE-2016-5385); the framing is CONTENT_LENGTH's.
_NEVER_FOR_PHP: Final = frozenset({b"proxy", b"content-length", b"transfer-encoding", b"trailer"})


@dataclass(frozen=True, slots=True)
class CgiPolicy:
    """What does not depend on the request: the document root, and whether a proxy in front of us speaks HTTPS."""

    root: bytes
    https: bool


def request_fields(
    head: RequestHead, script: Script, policy: CgiPolicy, *, body_bytes: int, now_wall_us: int
) -> dict[Field, bytes]:
    """Return CGI's fields.

    SERVER_PORT is the port that was connected to; the port of the URL is in HTTP_HOST. CONTENT_LENGTH is there when there is a body,
    and is its real length, chunked or not.
    """
    host, _ = split_authority(head.authority)
    fields = {
        Field.METHOD: head.method,
        Field.TARGET: head.target,
        Field.QUERY: head.query,
        Field.SCRIPT_NAME: script.name,
        Field.SCRIPT_FILENAME: script.filename,
        Field.PATH_INFO: script.path_info,
        Field.DOCUMENT_ROOT: policy.root,
        Field.PROTOCOL: head.protocol.encode(),
        Field.SCHEME: b"https" if policy.https else head.scheme.encode(),
        Field.SERVER_NAME: host or b"localhost",
        Field.SERVER_PORT: b"%d" % head.server.port,
        Field.SERVER_ADDR: head.server.host.encode(),
        Field.REMOTE_ADDR: head.client.host.encode(),
        Field.REMOTE_PORT: b"%d" % head.client.port,
        Field.REQUEST_TIME_US: b"%d" % now_wall_us,
    }
    if body_bytes:
        fields[Field.CONTENT_LENGTH] = b"%d" % body_bytes
    return fields


def request_headers(headers: Headers, authority: bytes) -> list[Header]:
    """Return the fields that PHP gets.

    - Names with `_` are dropped: `X_Foo` would forge what a proxy says in `X-Foo`.
    - A name that comes several times is joined (RFC 9110 section 5.3), Cookie with `; ` (RFC 6265 section 5.4).
    - Host is the authority that counts: of the absolute form if the target has one; `localhost` when there is none (contract).
    - Values keep their 8-bit bytes.
    """
    found: dict[bytes, tuple[bytes, list[bytes]]] = {b"host": (b"Host", [authority or b"localhost"])}
    for (name, value), lower in zip(headers, (name for name, _ in headers.lowered()), strict=True):
        if lower in _NEVER_FOR_PHP or b"_" in lower or lower == b"host":
            continue
        found.setdefault(lower, (name, []))[1].append(value)
    return [
        (name, values[0] if len(values) == 1 else (b"; " if lower == b"cookie" else b", ").join(values))
        for lower, (name, values) in found.items()
    ]


@dataclass(frozen=True, slots=True)
class CgiResponse:
    """PHP's response head: `content_length` is what PHP said itself, None when it said nothing that is a number."""

    status: int
    reason: bytes
    headers: list[Header]
    content_length: int | None


def response_from(head: ResponseHead) -> CgiResponse | None:
    """Return what of PHP's head goes out; None when it is no final response."""
    if not 200 <= head.status <= 999:
        return None
    named_by_connection = {
        option.strip().lower()
        for name, value in head.headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    dropped = _HOP_BY_HOP | named_by_connection
    lengths = {value.strip() for name, value in head.headers if name.lower() == b"content-length"}
    length = lengths.pop() if len(lengths) == 1 else b""
    return CgiResponse(
        head.status,
        head.reason,
        [(name, value) for name, value in head.headers if name.lower() not in dropped],
        int(length) if _NUMBER.fullmatch(length) else None,
    )
