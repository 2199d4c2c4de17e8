"""What the fields of a request ask of a representation: preconditions, one range, a content coding (RFC 9110 sections 12, 13, 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from askr_http.dates import maybe_parse_date
from askr_http.exchange import Headers

_ETAG: Final = re.compile(rb'\s*(?:,\s*)*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')
_RANGE: Final = re.compile(rb"([0-9]*)[ \t]*-[ \t]*([0-9]*)")
_QVALUE: Final = re.compile(rb"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_MOST_DIGITS: Final = 18


class Verdict(Enum):
    """What the preconditions say."""

    PROCEED = auto()
    NOT_MODIFIED = auto()  # 304
    FAILED = auto()  # 412


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a representation: `length` bytes from `offset` on."""

    offset: int
    length: int


class Unsatisfiable(Enum):
    """The range lies outside of the representation: 416."""

    YES = True


def _listed_etags(value: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(value):
        match = _ETAG.match(value, at)
        if match is None:
            break
        found.append(match[1])
        at = match.end()
    return found


def _matches(value: bytes, etag: bytes, *, is_weak_enough: bool) -> bool:
    if value.strip() == b"*":
        return True
    if is_weak_enough:
        wanted = etag.removeprefix(b"W/")
        return any(listed.removeprefix(b"W/") == wanted for listed in _listed_etags(value))
    return not etag.startswith(b"W/") and etag in _listed_etags(value)


def judge_preconditions(
    method: bytes, headers: Headers, *, etag: bytes, modified_wall_s: int, now_wall_s: int
) -> Verdict:
    """Return what the preconditions say, in the order of RFC 9110 section 13.2.2; Range and If-Range come after it."""
    if (value := headers.joined(b"if-match")) is not None:
        if not _matches(value, etag, is_weak_enough=False):
            return Verdict.FAILED
    elif (value := headers.get(b"if-unmodified-since")) is not None:
        since = maybe_parse_date(value, now_wall_s)
        if since is not None and modified_wall_s > since:
            return Verdict.FAILED
    is_safe = method in {b"GET", b"HEAD"}
    if (value := headers.joined(b"if-none-match")) is not None:
        if _matches(value, etag, is_weak_enough=True):
            return Verdict.NOT_MODIFIED if is_safe else Verdict.FAILED
    elif is_safe and (value := headers.get(b"if-modified-since")) is not None:
        since = maybe_parse_date(value, now_wall_s)
        if since is not None and modified_wall_s <= since:
            return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def choose_range(
    method: bytes, headers: Headers, size: int, *, etag: bytes, modified_wall_s: int, now_wall_s: int
) -> Span | Unsatisfiable | None:
    """Return the part that is asked for; None for the whole.

    One range is served. Several are answered with the whole (RFC 9110 section 14.2 allows it): no client needs them, and overlapping
    ones have been an attack (CVE-2011-3192). A Range that is malformed or of another unit is ignored. If-Range takes a strong
    validator; a date is one when it is exact and the file was then older than a second (section 8.8.2.2).
    """
    values = headers.get_all(b"range")
    if method != b"GET" or len(values) != 1:
        return None
    unit, _, listed = values[0].partition(b"=")
    if unit.strip().lower() != b"bytes":
        return None
    if (condition := headers.get(b"if-range")) is not None:
        if condition.startswith((b'"', b"W/")):
            if condition != etag or etag.startswith(b"W/"):
                return None
        elif maybe_parse_date(condition, now_wall_s) != modified_wall_s or modified_wall_s + 1 >= now_wall_s:
            return None
    spans: list[Span | None] = []
    for part in listed.split(b","):
        found = _RANGE.fullmatch(part.strip())
        if found is None or max(map(len, found.groups())) > _MOST_DIGITS or not any(found.groups()):
            return None
        first, last = found.groups()
        if first and last and int(first) > int(last):
            return None
        spans.append(_span(first, last, size))
    if all(span is None for span in spans):
        return Unsatisfiable.YES
    return spans[0] if len(spans) == 1 else None


def _span(first: bytes, last: bytes, size: int) -> Span | None:
    """Return the span of one range, None when it lies outside."""
    if not first:
        length = min(int(last), size)
        return Span(size - length, length) if length else None
    begin = int(first)
    if begin >= size:
        return None
    end = min(int(last), size - 1) if last else size - 1
    return Span(begin, end - begin + 1)


def coding_weights(headers: Headers) -> dict[bytes, float]:
    """Return the weights that Accept-Encoding gives to codings, `*` included; malformed members are left out."""
    weights: dict[bytes, float] = {}
    for member in (headers.joined(b"accept-encoding") or b"").split(b","):
        coding, *parameters = (part.strip() for part in member.split(b";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition(b"=")
            if name.strip().lower() == b"q":
                weight = float(value.strip()) if _QVALUE.fullmatch(value.strip()) else 0.0
        if coding:
            weights[coding.lower()] = weight
    return weights


def choose_coding(headers: Headers, available: tuple[bytes, ...]) -> bytes | None:
    """Return the coding to send, None for identity.

    Of equal weights the first in `available` wins; identity wins only when the client weighs it higher than the others.
    """
    weights = coding_weights(headers)
    rest = weights.get(b"*", 0.0)
    best, best_weight = None, 0.0
    for coding in available:
        weight = weights.get(coding, weights.get(b"x-gzip", rest) if coding == b"gzip" else rest)
        if weight > best_weight:
            best, best_weight = coding, weight
    return best if best_weight >= weights.get(b"identity", 0.0) else None
