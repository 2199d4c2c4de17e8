"""The site in C answers with a file as askr_http.front.static does, or defers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_site import Answer, Deferred, Pair, Policy, pair, wire

from askr_http import media_types
from askr_http.dates import format_date
from askr_http.static_files import FileFacts, entity_tag

MODIFIED = 1_700_000_000
NOW = MODIFIED + 1000
SIZE = 1000


def put(path: Path, content: bytes, modified_ns: int = MODIFIED * 1_000_000_000 + 5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(modified_ns, modified_ns))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    text = bytes(range(250)) * 4
    for name in ("a.css", "both.css", "br.js", "gz.svg", "stale.css", "a.png", "build/a.js", "rebuild/a.js"):
        put(root / name, text)
    put(root / "both.css.br", b"brotli")
    put(root / "both.css.gz", b"gzipped")
    put(root / "br.js.br", b"", MODIFIED * 1_000_000_000 + 6)
    put(root / "gz.svg.gz", b"gzipped" * 100)
    put(root / "stale.css.gz", b"old", MODIFIED * 1_000_000_000 + 4)
    put(root / "a.png.gz", b"never")
    put(root / "empty.txt", b"")
    put(root / "big.bin", text * 50)
    put(root / "future.css", text, (NOW + 500) * 1_000_000_000)
    put(root / "ancient.css", text, -5_000_000_000)
    put(root / "late.css", text, 9_100_000_000 * 1_000_000_000)
    put(root / "now.css", text, NOW * 1_000_000_000)
    put(root / "just.css", text, (NOW - 1) * 1_000_000_000)
    return root


@pytest.fixture(scope="module", params=[4096, 0], ids=["in memory", "from the file"])
def both(root: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    with pair(root, Policy(small_bytes=request.param)) as both:
        yield both


NAMES = st.sampled_from(
    ["a.css", "both.css", "br.js", "gz.svg", "stale.css", "a.png", "build/a.js", "rebuild/a.js", "empty.txt", "big.bin", "future.css", "ancient.css",
     "late.css", "now.css", "just.css", "both.css.gz"]
)  # fmt: skip
TAGS = [
    entity_tag(FileFacts(size, MODIFIED * 1_000_000_000 + 5), coding)
    for size, coding in ((SIZE, None), (6, b"br"), (7, b"gzip"), (700, b"gzip"), (0, None), (50_000, None))
]
ETAGS = st.one_of(
    st.sampled_from(TAGS),
    st.sampled_from(TAGS).map(lambda tag: b"W/" + tag),
    st.sampled_from(
        [b"*", b'"x"', b'""', b'W/""', b'w/"x"', b"x", b'"', b'"x', b'"a b"', b'"a,b"', b'"\xe9"', b"W/", b"W", b""]
    ),
)
LISTS = st.lists(
    st.tuples(
        st.sampled_from([b"", b" ", b"\t", b", ", b",,"]),
        ETAGS,
        st.sampled_from([b"", b" ", b"\t "]),
        st.sampled_from([b",", b",", b",", b"", b";"]),
    ).map(b"".join),
    max_size=4,
).map(b"".join)
DATES = st.one_of(
    st.sampled_from([MODIFIED, MODIFIED - 1, MODIFIED + 1, NOW, NOW + 1, NOW - 1, 0]).map(format_date),
    st.sampled_from(
        [b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994", b"yesterday", b"", b"Thu, 31 Feb 2030 00:00:00 GMT",
         b"Wed, 01 Jan 1969 00:00:00 GMT", b"Tue, 14 Nov 2023 22:13:20", b"tue, 14 Nov 2023 22:13:20 GMT", b"Mon, 14 Nov 2023 22:13:20 GMT"]
    ),
)  # fmt: skip
NUMBERS = st.sampled_from(
    [b"", b"0", b"1", b"5", b"499", b"500", b"999", b"1000", b"1001", b"9" * 18, b"1" + b"0" * 18, b"00", b"-1", b"x"]
)
SPACES = st.sampled_from([b""] * 6 + [b" ", b"\t", b"  "])
RANGES = st.tuples(SPACES, NUMBERS, SPACES, st.sampled_from([b"-"] * 8 + [b"", b"--"]), SPACES, NUMBERS, SPACES).map(
    b"".join
)
RANGE_VALUES = st.tuples(
    SPACES,
    st.sampled_from([b"bytes", b"bytes", b"bytes", b"BYTES", b"Bytes", b"items", b"byte", b""]),
    SPACES,
    st.sampled_from([b"="] * 8 + [b"", b"=="]),
    st.lists(RANGES, min_size=1, max_size=3).map(b",".join),
).map(b"".join)
WEIGHTS = st.sampled_from(
    [
        b"0",
        b"1",
        b"0.5",
        b"0.",
        b"1.",
        b"0.001",
        b"0.01",
        b"1.000",
        b"1.001",
        b"0.1234",
        b"2",
        b"-1",
        b"",
        b"x",
        b".5",
        b"0.5x",
    ]
)
PARAMETERS = st.tuples(
    SPACES,
    st.sampled_from([b"q", b"q", b"q", b"Q", b"x", b""]),
    SPACES,
    st.sampled_from([b"=", b"=", b""]),
    SPACES,
    WEIGHTS,
    SPACES,
).map(b"".join)
MEMBERS = st.tuples(
    SPACES,
    st.sampled_from([b"br", b"gzip", b"x-gzip", b"*", b"identity", b"BR", b"Gzip", b"deflate", b"", b"brx", b"b"]),
    SPACES,
    st.lists(PARAMETERS.map(lambda p: b";" + p), max_size=2).map(b"".join),
).map(b"".join)
ACCEPTS = st.lists(MEMBERS, max_size=4).map(b",".join)
LINES = st.one_of(
    LISTS.map(lambda v: b"If-None-Match: " + v),
    ETAGS.map(lambda v: b"If-None-Match: " + v),
    DATES.map(lambda v: b"If-Modified-Since: " + v),
    RANGE_VALUES.map(lambda v: b"Range: " + v),
    RANGE_VALUES.map(lambda v: b"Range: " + v),
    st.one_of(DATES, ETAGS).map(lambda v: b"If-Range: " + v),
    ACCEPTS.map(lambda v: b"Accept-Encoding: " + v),
    ACCEPTS.map(lambda v: b"accept-encoding: " + v),
    ETAGS.map(lambda v: b"If-Match: " + v),
    DATES.map(lambda v: b"If-Unmodified-Since: " + v),
    st.just(b"X-Other: y"),
)


@settings(deadline=None, max_examples=600)  # the machine's speed is not what is tested
@given(
    name=NAMES, method=st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"POST"]), lines=st.lists(LINES, max_size=4)
)
def test_any_request_for_a_file_is_answered_alike_or_deferred(
    both: Pair, name: str, method: bytes, lines: list[bytes]
) -> None:
    both.ask(wire(b"/" + name.encode(), *lines, method=method), NOW)


@settings(deadline=None, max_examples=200)  # the machine's speed is not what is tested
@given(accepts=st.lists(ACCEPTS, max_size=3), name=st.sampled_from(["both.css", "br.js", "gz.svg"]))
def test_any_wish_for_a_coding_is_understood_alike(both: Pair, accepts: list[bytes], name: str) -> None:
    lines = [b"Accept-Encoding: " + value for value in accepts]
    assert not isinstance(both.ask(wire(b"/" + name.encode(), *lines), NOW), Deferred)


@settings(deadline=None, max_examples=200)  # the machine's speed is not what is tested
@given(value=RANGE_VALUES, name=st.sampled_from(["a.css", "both.css", "empty.txt", "big.bin"]))
def test_any_range_is_understood_alike(both: Pair, value: bytes, name: str) -> None:
    assert not isinstance(both.ask(wire(b"/" + name.encode(), b"Range: " + value), NOW), Deferred)


@settings(deadline=None, max_examples=200)  # the machine's speed is not what is tested
@given(value=LISTS)
def test_any_list_of_tags_is_understood_alike(both: Pair, value: bytes) -> None:
    assert not isinstance(both.ask(wire(b"/a.css", b"If-None-Match: " + value), NOW), Deferred)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], 200),
        ([b"If-None-Match: " + TAGS[0]], 304),
        ([b'If-None-Match: "x", W/' + TAGS[0]], 304),
        ([b"If-None-Match: *"], 304),
        ([b"If-Modified-Since: " + format_date(MODIFIED)], 304),
        ([b"Range: bytes=0-9"], 206),
        ([b"Range: bytes=-10", b"If-Range: " + TAGS[0]], 206),
        ([b"Range: bytes=-10", b"If-Range: " + format_date(MODIFIED)], 206),
        ([b"Range: bytes=5000-"], 416),
    ],
)
def test_the_usual_is_not_deferred(both: Pair, lines: list[bytes], status: int) -> None:
    outcome = both.ask(wire(b"/a.css", *lines), NOW)
    assert isinstance(outcome, Answer)
    assert outcome.status == status


@pytest.mark.parametrize(
    ("name", "lines", "status"),
    [
        ("now.css", [b"Range: bytes=0-1", b"If-Range: " + format_date(NOW)], 200),
        ("just.css", [b"Range: bytes=0-1", b"If-Range: " + format_date(NOW - 1)], 200),
        ("just.css", [b"Range: bytes=0-1"], 206),
        ("a.css", [b"Range: bytes=0-" + b"9" * 18], 206),
        ("a.css", [b"Range: bytes=0-" + b"9" * 19], 200),
        ("a.css", [b"Range: bytes=" + b"0" * 18 + b"-"], 206),
        ("a.css", [b"Range: bytes=" + b"0" * 19 + b"-"], 200),
        ("a.css", [b"Range: bytes=-" + b"0" * 19], 200),
        ("a.css", [b"Range: bytes=-" + b"9" * 18], 206),
        ("a.css", [b"Range: bytes=0-1", b"Range: bytes=2-3"], 200),
        ("a.css", [b"Range: bytes=0-1", b"If-None-Match: " + TAGS[0]], 304),
        ("a.css", [b"If-Modified-Since: " + format_date(MODIFIED - 1)], 200),
        ("a.css", [b'If-None-Match: "x"', b"If-Modified-Since: " + format_date(NOW)], 200),
        ("empty.txt", [b"Range: bytes=0-"], 416),
        ("empty.txt", [b"Range: bytes=-1"], 416),
    ],
)
def test_the_limits_of_conditions(both: Pair, name: str, lines: list[bytes], status: int) -> None:
    outcome = both.ask(wire(b"/" + name.encode(), *lines), NOW)
    assert isinstance(outcome, Answer)
    assert outcome.status == status


@pytest.mark.parametrize(
    "lines",
    [
        [b'If-Match: "x"'],
        [b"If-Unmodified-Since: " + format_date(MODIFIED)],
        [b"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"],
        [b'If-None-Match: "x"', b'If-None-Match: "y"'],
    ],
)
def test_rare_conditions_are_deferred(both: Pair, lines: list[bytes]) -> None:
    assert isinstance(both.ask(wire(b"/a.css", *lines), NOW), Deferred)


@pytest.mark.parametrize(
    "name",
    [*(f"x.{extension}" for extension in media_types.extensions()), "x", "x.UNKNOWN", "a.b/x", "X.CSS", "a.css.Html"],
)
def test_every_name_gets_its_type(tmp_path: Path, name: str) -> None:
    put(tmp_path / name, b"x")
    with pair(tmp_path) as both:
        outcome = both.ask(wire(b"/" + name.encode()), NOW)
        if not name.endswith((".php", ".inc")):
            assert isinstance(outcome, Answer)
            assert outcome.headers[0] == (b"Content-Type", media_types.content_type(name.encode()))


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become somebody who may not read")
def test_a_file_that_may_not_be_read_is_forbidden_and_comes_back() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, path = Path(folder), Path(folder, "a.css")
        root.chmod(0o755)
        put(path, b"text")
        put(root / "a.css.gz", b"gz")
        statuses = []
        with pair(root) as both:
            os.seteuid(65534)
            try:
                for mode in (0o644, 0, 0o644):
                    for sibling_mode in (0o644, 0):
                        os.seteuid(0)
                        path.chmod(mode)
                        (root / "a.css.gz").chmod(sibling_mode)
                        os.seteuid(65534)
                        for method in (b"GET", b"POST"):
                            outcome = both.ask(wire(b"/a.css", b"Accept-Encoding: gzip", method=method), NOW)
                            assert isinstance(outcome, Answer)
                            statuses.append((outcome.status, outcome.body[:4]))
            finally:
                os.seteuid(0)
        refused = (405, b"askr")
        readable = [(200, b"gz"), refused, (200, b"text"), refused]
        assert statuses == [*readable, *[(403, b"askr"), refused] * 2, *readable]
