"""The answer to a request for a static file, as values: status, fields, and which bytes of which file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from askr_http.conditions import Span, Unsatisfiable, Verdict, choose_coding, choose_range, judge_preconditions
from askr_http.dates import format_date
from askr_http.exchange import Header, RequestHead
from askr_http.media_types import content_type

CODINGS: Final = ((b"br", b".br"), (b"gzip", b".gz"))
"""Content codings of compressed siblings, the better one first, with the ends of their names."""

_FINGERPRINTED: Final = b"build"  # contract: what bundlers put there has a hash in its name


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What fstat says of an open regular file; the time in nanoseconds since the epoch."""

    size_bytes: int
    modified_wall_ns: int


@dataclass(frozen=True, slots=True)
class StaticAnswer:
    """How to answer.

    Attributes:
        status: 200, 206, 304, 412 or 416.
        headers: The fields, without framing.
        coding: Which sibling's bytes to send; None: the file itself.
        span: Which of them; None when there is no body.
    """

    status: int
    headers: list[Header]
    coding: bytes | None
    span: Span | None


def entity_tag(facts: FileFacts, coding: bytes | None) -> bytes:
    """Return a strong validator: size and time to the nanosecond, and the coding, because the bytes differ."""
    suffix = b"-" + coding if coding else b""
    return b'"%x-%x%s"' % (facts.size_bytes, facts.modified_wall_ns, suffix)


def cache_control(path: bytes) -> bytes:
    """Return how long a file may be kept (contract, "static files")."""
    if _FINGERPRINTED in path.split(b"/"):
        return b"public, max-age=31536000, immutable"
    return b"public, max-age=3600"


def is_fresh_sibling(original: FileFacts, sibling: FileFacts) -> bool:
    """Whether a compressed sibling is at least as new as the original; an older one holds older content."""
    return sibling.modified_wall_ns >= original.modified_wall_ns


def wanted_coding(head: RequestHead, siblings: Sequence[bytes]) -> bytes | None:
    """Return which of the codings that are there the client is to get, None for the file itself."""
    return choose_coding(head.headers, tuple(coding for coding, _ in CODINGS if coding in siblings))


def answer_for(
    head: RequestHead, path: bytes, facts: FileFacts, *, coding: bytes | None, has_siblings: bool, now_wall_s: int
) -> StaticAnswer:
    """Return the answer.

    Args:
        head: The request, GET or HEAD.
        path: Of the original below the root; it says type and lifetime.
        facts: Of the file whose bytes are sent.
        coding: Its content coding, None for the original.
        has_siblings: Whether the choice depended on Accept-Encoding.
        now_wall_s: Seconds since the epoch.
    """
    etag = entity_tag(facts, coding)
    modified = min(facts.modified_wall_ns // 1_000_000_000, now_wall_s)  # RFC 9110 section 8.8.2.1: never in the future
    headers: list[Header] = [
        (b"ETag", etag),
        (b"Last-Modified", format_date(modified)),
        (b"Cache-Control", cache_control(path)),
    ]
    if has_siblings:
        headers.append((b"Vary", b"Accept-Encoding"))
    verdict = judge_preconditions(head.method, head.headers, etag=etag, modified_wall_s=modified, now_wall_s=now_wall_s)
    if verdict is Verdict.NOT_MODIFIED:
        return StaticAnswer(304, headers, coding, None)
    if verdict is Verdict.FAILED:
        return StaticAnswer(412, headers, coding, None)
    headers.append((b"Accept-Ranges", b"bytes"))
    span = choose_range(
        head.method, head.headers, facts.size_bytes, etag=etag, modified_wall_s=modified, now_wall_s=now_wall_s
    )
    if span is Unsatisfiable.YES:
        headers.append((b"Content-Range", b"bytes */%d" % facts.size_bytes))
        return StaticAnswer(416, headers, coding, None)
    headers.insert(0, (b"Content-Type", content_type(path)))
    if coding:
        headers.append((b"Content-Encoding", coding))
    if isinstance(span, Span):
        last = span.offset + span.length - 1
        headers.append((b"Content-Range", b"bytes %d-%d/%d" % (span.offset, last, facts.size_bytes)))
        return StaticAnswer(206, headers, coding, span)
    return StaticAnswer(200, headers, coding, Span(0, facts.size_bytes))
