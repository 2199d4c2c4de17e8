"""The codec agrees with the pure wire or defers; the fuzzer (fuzz/README.md) goes on where these end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_codec import Codec, Fence, Request, Verdict, pure_request
from tests.conformance.http1_cases import REFUSED, TAKEN, Refused, Taken

from askr_http.limits import Limits

LIMITS = Limits(head_bytes=600, target_bytes=100)
WRK = b"GET /hello.php HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
BROWSER = (
    b"GET /assets/app.css?v=3 HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Referer: https://shop.example.com/\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    b'If-None-Match: W/"1f-5a"\r\nCookie: session=0123456789abcdef; theme=dark\r\n\r\n'
)
FORM = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nConnection: close\r\nX-Caf\xe9: \xe9\r\n\r\na=1&b=2"


def assert_agrees(wire: bytes, limits: Limits = LIMITS) -> Verdict:
    """Check the codec's verdict by the pure wire."""
    verdict, request = Codec(limits).read(wire)
    if verdict is Verdict.REQUEST:
        assert request == pure_request(wire, limits)
    elif verdict is Verdict.MORE:
        assert pure_request(wire, limits) is None
    return verdict


def dripped(wire: bytes, sizes: list[int], limits: Limits = LIMITS) -> tuple[Verdict, Request | None]:
    """Return the verdict when the wire comes in pieces of these sizes, over and over."""
    codec, at = Codec(limits), 0
    for piece in range(len(wire) + 1):
        verdict, request = codec.read(wire[:at])
        if verdict is not Verdict.MORE or at >= len(wire):
            return verdict, request
        at += sizes[piece % len(sizes)]
    raise AssertionError("unreachable: every piece has a byte")


@pytest.mark.parametrize("wire", [WRK, BROWSER])
def test_what_clients_send_is_not_deferred(wire: bytes) -> None:
    assert assert_agrees(wire + b"GET /next") is Verdict.REQUEST
    for cut in range(len(wire)):
        assert assert_agrees(wire[:cut]) is Verdict.MORE


def test_a_name_with_an_8_bit_byte_is_deferred_and_a_value_is_not() -> None:
    assert assert_agrees(FORM) is Verdict.DEFER
    assert assert_agrees(FORM.replace(b"X-Caf\xe9", b"X-Cafe")) is Verdict.REQUEST


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_is_refused_is_never_taken(case: Refused) -> None:
    for cut in range(len(case.wire) + 1):
        assert_agrees(case.wire[:cut], Limits())


@pytest.mark.parametrize("case", TAKEN, ids=lambda case: case.name)
def test_what_is_taken_is_taken_alike(case: Taken) -> None:
    for cut in range(len(case.wire) + 1):
        assert_agrees(case.wire[:cut], Limits())


def test_most_of_what_is_taken_is_not_deferred() -> None:
    """What is: chunks, expectations, the absolute form, `*` and leading empty lines."""
    rare = (b"\r\n", b"OPTIONS", b"PUT / HTTP/1.1\r\nHost: a\r\nExpect")
    for case in TAKEN:
        is_rare = case.wire.startswith(rare) or b"ransfer-" in case.wire or b"://" in case.wire.split(b"\r\n")[0]
        is_rare = is_rare or b"xpect" in case.wire or b"pgrade" in case.wire
        wanted = Verdict.DEFER if is_rare else Verdict.REQUEST
        assert (assert_agrees(case.wire, Limits()), case.name) == (wanted, case.name)


def test_no_prefix_of_any_case_is_read_beyond_its_bytes() -> None:
    fence, limits = Fence(16 * 1024), Limits()
    for whole in (*(case.wire for case in REFUSED), *(case.wire for case in TAKEN)):
        for cut in range(len(whole) + 1):
            wire = whole[:cut]
            wanted = Codec(limits).read(wire)
            assert [Codec(limits).read_at(at, cut) for at in fence.copies(wire)] == [wanted] * 2


# Pieces of heads, good ones and nearly good ones.
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"get", b"PROPFIND", b"CONNECT", b"OPTIONS", b"G(T", b""])
TARGETS = st.sampled_from(
    [b"/", b"/a/b?c=d", b"//", b"/%41%2f", b"/%0", b"/%00", b"/a?%zz?", b"/#", b"/?#", b"*", b"http://a/", b"/\xe9", b"/\x7f", b"a", b"",
     *(b"/" + b"a" * n for n in (98, 99, 100, 150, 200))]
)  # fmt: skip
VERSIONS = st.sampled_from(
    [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b""]
)
ENDS = st.sampled_from([b"\r\n"] * 20 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b""])
NAMES = st.sampled_from(
    [b"Host", b"host", b"Content-Length", b"Connection", b"connection", b"Transfer-Encoding", b"Expect", b"Upgrade", b"TE", b"Trailer",
     b"Cookie", b"Range", b"If-Range", b"X-A", b"x_a", b"X-A ", b"", b"X\t", b"Ho\xe9t", b"Hos", b"Connectio~", b"a" * 30]
)  # fmt: skip
VALUES = st.sampled_from(
    [b"a", b"a:80", b"[::1]:8", b"a b", b"u@a", b"", b"5", b"05", b"5,5", b"+5", b"close", b"keep-alive", b"Keep-Alive, x", b",close ,", b"clos",
     b"chunked", b"100-continue", b"\xe9", b"a\tb", b"\ta ", b"\x0b", b"a\0", b"\x7f", b"1" * 18, b"1" * 19, b"bytes=0-", b"a" * 300]
)  # fmt: skip
SEPARATORS = st.sampled_from([b": "] * 10 + [b":", b":\t ", b" :", b"", b";"])
LINES = st.tuples(NAMES, SEPARATORS, VALUES, ENDS).map(b"".join)
HEADS = st.tuples(
    st.sampled_from([b""] * 20 + [b"\r\n", b"\r", b" "]), METHODS, st.sampled_from([b" "] * 20 + [b"  ", b"\t"]), TARGETS,
    st.sampled_from([b" "] * 20 + [b"  ", b""]), VERSIONS, ENDS, st.sampled_from([b"Host: a\r\n", b""]), st.lists(LINES, max_size=5).map(b"".join), ENDS,
).map(b"".join)  # fmt: skip


@settings(deadline=None, max_examples=500)  # the machine's speed is not what is tested
@given(HEADS, st.binary(max_size=4))
def test_any_head_is_read_alike_or_deferred(head: bytes, rest: bytes) -> None:
    assert_agrees(head + rest)


@settings(deadline=None, max_examples=300)  # the machine's speed is not what is tested
@given(HEADS, st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_the_verdict_does_not_depend_on_how_the_bytes_were_cut(head: bytes, sizes: list[int]) -> None:
    for cut in range(0, len(head) + 1, 7):
        assert_agrees(head[:cut])
    assert dripped(head, sizes) == Codec(LIMITS).read(head)


@settings(deadline=None)  # the machine's speed is not what is tested
@given(st.binary(max_size=200))
def test_any_bytes_are_read_alike_or_deferred(wire: bytes) -> None:
    assert_agrees(wire)
