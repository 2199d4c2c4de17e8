from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askr_http.conditions import choose_coding
from askr_http.dates import format_date, maybe_parse_date
from askr_http.exchange import Address, Headers, RequestHead
from askr_http.media_types import content_type
from askr_http.static_files import FileFacts, StaticAnswer, answer_for, entity_tag

MODIFIED = 1_700_000_000
NOW = MODIFIED + 1000
FACTS = FileFacts(1000, MODIFIED * 1_000_000_000 + 5)
ETAG = entity_tag(FACTS, None).decode()
DATE, EARLIER, LATER = (format_date(MODIFIED + delta).decode() for delta in (0, -10, 10))


def answer(*lines: str, method: str = "GET", facts: FileFacts = FACTS, path: bytes = b"a.css") -> StaticAnswer:
    fields = [line.split(": ", 1) for line in lines]
    headers = Headers([(name.encode(), value.encode()) for name, value in fields])
    nowhere = Address("", 0)
    head = RequestHead(
        method.encode(), b"/", b"/", b"/", b"", "http", b"a", headers, "HTTP/1.1", nowhere, nowhere, is_tls=False
    )
    return answer_for(head, path, facts, coding=None, has_siblings=False, now_wall_s=NOW)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], 200),
        ([f"If-None-Match: {ETAG}"], 304),
        ([f'If-None-Match: "x", W/{ETAG}'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "x"'], 200),
        (['If-None-Match: "x"', f"If-Modified-Since: {LATER}"], 200),
        ([f"If-Modified-Since: {DATE}"], 304),
        ([f"If-Modified-Since: {LATER}"], 304),
        ([f"If-Modified-Since: {EARLIER}"], 200),
        (["If-Modified-Since: yesterday"], 200),
        ([f"If-Match: {ETAG}"], 200),
        (["If-Match: *"], 200),
        ([f"If-Match: W/{ETAG}"], 412),
        (['If-Match: "x"'], 412),
        ([f"If-Match: {ETAG}", f"If-Unmodified-Since: {EARLIER}"], 200),
        ([f"If-Match: {ETAG}", f"If-None-Match: {ETAG}"], 304),
        ([f"If-Unmodified-Since: {EARLIER}"], 412),
        ([f"If-Unmodified-Since: {DATE}"], 200),
        ([f"If-None-Match: {ETAG}", "Range: bytes=0-1"], 304),
    ],
)
def test_preconditions_in_the_order_of_the_rfc(lines: list[str], status: int) -> None:
    assert answer(*lines).status == status


@pytest.mark.parametrize(
    ("lines", "status", "span", "content_range"),
    [
        (["Range: bytes=0-99"], 206, (0, 100), b"bytes 0-99/1000"),
        (["Range: bytes=900-"], 206, (900, 100), b"bytes 900-999/1000"),
        (["Range: bytes=900-5000"], 206, (900, 100), b"bytes 900-999/1000"),
        (["Range: bytes=-100"], 206, (900, 100), b"bytes 900-999/1000"),
        (["Range: bytes=-5000"], 206, (0, 1000), b"bytes 0-999/1000"),
        (["Range: BYTES=0-0"], 206, (0, 1), b"bytes 0-0/1000"),
        (["Range: bytes=1000-"], 416, None, b"bytes */1000"),
        (["Range: bytes=-0"], 416, None, b"bytes */1000"),
        (["Range: bytes=2000-,3000-"], 416, None, b"bytes */1000"),
        (["Range: bytes=0-1,3-4"], 200, (0, 1000), None),
        (["Range: bytes=5-1"], 200, (0, 1000), None),
        (["Range: bytes=a-b"], 200, (0, 1000), None),
        (["Range: bytes=-"], 200, (0, 1000), None),
        (["Range: bytes="], 200, (0, 1000), None),
        (["Range: items=0-1"], 200, (0, 1000), None),
        (["Range: bytes=0-" + "9" * 30], 200, (0, 1000), None),
        (["Range: bytes=0-1", f"If-Range: {ETAG}"], 206, (0, 2), b"bytes 0-1/1000"),
        (["Range: bytes=0-1", 'If-Range: "x"'], 200, (0, 1000), None),
        (["Range: bytes=0-1", f"If-Range: W/{ETAG}"], 200, (0, 1000), None),
        (["Range: bytes=0-1", f"If-Range: {DATE}"], 206, (0, 2), b"bytes 0-1/1000"),
        (["Range: bytes=0-1", f"If-Range: {LATER}"], 200, (0, 1000), None),
    ],
)
def test_ranges(lines: list[str], status: int, span: tuple[int, int] | None, content_range: bytes | None) -> None:
    got = answer(*lines)
    assert got.status == status
    assert (got.span and (got.span.offset, got.span.length)) == span
    assert dict(got.headers).get(b"Content-Range") == content_range


def test_head_ignores_ranges() -> None:
    assert answer("Range: bytes=0-1", method="HEAD").status == 200


def test_an_empty_file_is_whole_and_has_no_ranges() -> None:
    empty = FileFacts(0, FACTS.modified_wall_ns)
    got = answer(facts=empty)
    assert got.span is not None
    assert (got.status, got.span.length) == (200, 0)
    assert answer("Range: bytes=0-", facts=empty).status == 416


def test_the_lifetime_depends_on_the_folder() -> None:
    assert dict(answer().headers)[b"Cache-Control"] == b"public, max-age=3600"
    assert dict(answer(path=b"build/a.js").headers)[b"Cache-Control"] == b"public, max-age=31536000, immutable"
    assert dict(answer(path=b"rebuild/a.js").headers)[b"Cache-Control"] == b"public, max-age=3600"


def test_a_date_in_the_future_is_not_told() -> None:
    got = answer(facts=FileFacts(1, (NOW + 500) * 1_000_000_000))
    assert dict(got.headers)[b"Last-Modified"] == format_date(NOW)


def test_a_date_is_no_strong_validator_when_the_file_is_of_this_second() -> None:
    young = FileFacts(1000, NOW * 1_000_000_000)
    lines = ("Range: bytes=0-1", f"If-Range: {format_date(NOW).decode()}")
    assert answer(*lines, facts=young).status == 200


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("br, gzip", b"br"),
        ("gzip", b"gzip"),
        ("x-gzip", b"gzip"),
        ("GZIP", b"gzip"),
        ("gzip;q=1.0, br;q=0.5", b"gzip"),
        ("br;q=0, gzip", b"gzip"),
        ("br;q=0", None),
        ("*", b"br"),
        ("*;q=0", None),
        ("gzip;q=0.5, identity;q=0.8", None),
        ("identity", None),
        ("", None),
        ("br;q=2", None),
        ("br ; q=0.3 , gzip;q=0.301", b"gzip"),
    ],
)
def test_the_coding_that_the_client_wants(accept: str, coding: bytes | None) -> None:
    assert choose_coding(Headers([(b"Accept-Encoding", accept.encode())]), (b"br", b"gzip")) == coding


def test_no_accept_encoding_means_the_file_itself() -> None:
    assert choose_coding(Headers([]), (b"br", b"gzip")) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (b"a.css", b"text/css; charset=utf-8"),
        (b"a.JS", b"text/javascript; charset=utf-8"),
        (b"a.html", b"text/html"),
        (b"a.woff2", b"font/woff2"),
        (b"a.tar.gz", b"application/gzip"),
        (b"a.webp", b"image/webp"),
        (b"a.svg", b"image/svg+xml"),
        (b"a.pdf", b"application/pdf"),
        (b"a.unknown", b"application/octet-stream"),
        (b"css", b"application/octet-stream"),
        (b"a.\xe9", b"application/octet-stream"),
    ],
)
def test_media_types(name: bytes, kind: bytes) -> None:
    assert content_type(name) == kind


@settings(deadline=None)  # the machine's speed is not what is tested
@given(st.integers(0, 253_402_300_799))
def test_a_date_is_read_as_it_was_written(wall_s: int) -> None:
    assert maybe_parse_date(format_date(wall_s), NOW) == wall_s


@pytest.mark.parametrize(
    ("text", "wall_s"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        (b"Sun Nov  6 08:49:37 1994", 784111777),
        (b"Sun, 31 Feb 1994 08:49:37 GMT", None),
        (b"Sun, 06 Foo 1994 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1994 08:49:37", None),
        (b"\xff", None),
    ],
)
def test_the_three_forms_of_dates(text: bytes, wall_s: int | None) -> None:
    assert maybe_parse_date(text, NOW) == wall_s
