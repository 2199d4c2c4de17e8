"""The request target and the authority: what a client asks for, in the forms of RFC 9112 section 3.2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from askr_http.errors import RemoteProtocolError, ServerAnswer

_ABSOLUTE: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
# RFC 3986 allows more (sub-delims, percent-encoding), but no name in use has them, and applications print Host into pages.
_AUTHORITY: Final = re.compile(rb"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~-]*)(?::(?P<port>[0-9]{0,5}))?")
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Target:
    """A request target in its parts.

    Attributes:
        origin: In origin form (`/path?query`), or `*`.
        raw_path: The path, percent-encoded.
        path: The path, percent-decoded once.
        query: What follows the first `?`.
        authority: Of the absolute form; None in the others, where the Host field says it.
    """

    origin: bytes
    raw_path: bytes
    path: bytes
    query: bytes
    authority: bytes | None


def parse_target(method: bytes, target: bytes) -> Target:
    """Return the target's parts.

    Raises:
        RemoteProtocolError: It is no target, or not one for this method.
    """
    if method == b"CONNECT":
        raise RemoteProtocolError("CONNECT is for proxies", ServerAnswer.METHOD_NOT_ALLOWED)
    authority = None
    if target == b"*":
        if method != b"OPTIONS":
            raise RemoteProtocolError("the target * is for OPTIONS")
        return Target(b"*", b"*", b"*", b"", None)
    if not target.startswith(b"/"):
        found = _ABSOLUTE.fullmatch(target)
        if found is None or found[1].lower() not in {b"http", b"https"} or not found[2]:
            raise RemoteProtocolError("the target is neither a path nor a URL of HTTP")
        authority = found[2]
        target = found[3]
        if not target and method == b"OPTIONS":
            return Target(b"*", b"*", b"*", b"", authority)
        if not target.startswith(b"/"):
            target = b"/" + target
    if b"#" in target:
        raise RemoteProtocolError("the target has a fragment")
    raw_path, _, query = target.partition(b"?")
    return Target(target, raw_path, decode_path(raw_path), query, authority)


def decode_path(raw_path: bytes) -> bytes:
    """Return the path percent-decoded, once.

    Raises:
        RemoteProtocolError: An escape is broken, or the path holds NUL: no file and no route has it, and C strings end there.
    """
    if b"%" not in raw_path:
        return raw_path
    if _BROKEN_ESCAPE.search(raw_path):
        raise RemoteProtocolError("a percent sign without two hexadecimal digits")
    path = unquote_to_bytes(raw_path)
    if b"\0" in path:
        raise RemoteProtocolError("NUL in the path")
    return path


def check_authority(authority: bytes) -> None:
    """Refuse what is no host with an optional port.

    Raises:
        RemoteProtocolError: It is none; user information is refused, too (RFC 9110 section 4.2.4).
    """
    if _AUTHORITY.fullmatch(authority) is None:
        raise RemoteProtocolError("the host is none")


def split_authority(authority: bytes) -> tuple[bytes, bytes]:
    """Return host and port; an IPv6 address keeps its brackets, as in `SERVER_NAME` (RFC 3875 section 4.1.14)."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return authority, b""
    return found["host"], found["port"] or b""
