"""The C writer and the Python one: equal calls give equal bytes, or both refuse."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askr_http._kernel import ffi, lib
from askr_http.dates import format_date, maybe_parse_date
from askr_http.errors import LocalProtocolError, ServerAnswer
from askr_http.h1_writer import ResponseWriter

DATE: Final = format_date(1_700_000_000)
DATE_LINE: Final = b"Date: " + DATE + b"\r\n"
CAP: Final = 4096
Header = tuple[bytes, bytes]


class NativeWriter:
    """The C writer, with the face of the other one."""

    def __init__(self, method: bytes, *, is_1_1: bool, keeps_alive: bool) -> None:
        self.record = ffi.new("askr_writer *")
        self.buffer = ffi.new("uint8_t[]", CAP)
        self._kept: list[Any] = []
        lib.askr_writer_init(self.record, method == b"HEAD", is_1_1, keeps_alive)

    def slice(self, data: bytes) -> Any:
        """Return an askr_slice of bytes that live as long as the writer."""
        self._kept.append(ffi.from_buffer(data) if data else ffi.NULL)
        return ffi.new("askr_slice *", [ffi.cast("uint8_t *", self._kept[-1]), len(data)])[0]

    def taken(self, size: int) -> bytes:
        """Return the bytes that a call wrote."""
        if size < 0:
            raise LocalProtocolError(size)
        return bytes(ffi.buffer(self.buffer, size)[:])

    def start(
        self,
        status: int,
        headers: Sequence[Header],
        *,
        reason: bytes,
        content_length: int | None,
        date_line: bytes = DATE_LINE,
    ) -> bytes:
        """Return the head."""
        head = self.taken(lib.askr_writer_status(self.record, status, self.slice(reason), self.buffer, CAP))
        for name, value in headers:
            head += self.taken(lib.askr_writer_field(self.slice(name), self.slice(value), self.buffer, CAP))
        has_date = any(name.lower() == b"date" for name, _ in headers)
        length = lib.ASKR_NO_LENGTH if content_length is None else content_length
        return head + self.taken(
            lib.askr_writer_start(self.record, status, length, self.slice(date_line), has_date, self.buffer, CAP)
        )

    def take(self, size: int) -> int:
        """Return how much may be sent."""
        return int(lib.askr_writer_take(self.record, size))

    def frame(self, size: int) -> tuple[bytes, bytes]:
        """Return what goes before and after."""
        before = self.taken(lib.askr_writer_frame(self.record, size, self.buffer, CAP))
        return before, b"\r\n" if before else b""

    def finish(self) -> bytes:
        """Return what ends it."""
        return self.taken(lib.askr_writer_finish(self.record, self.buffer, CAP))

    def state(self) -> tuple[object, ...]:
        """Return what can be asked of it."""
        record = self.record
        left = None if record.left == lib.ASKR_NO_LENGTH else record.left
        ends = bool(lib.askr_writer_ends_with_connection(record))
        flags = (record.keeps_alive, record.has_body, record.is_started, record.is_finished)
        return record.status, record.body_bytes, left, ends, *map(bool, flags)


def pure_state(writer: ResponseWriter) -> tuple[object, ...]:
    """Return the same of the other one."""
    flags = (writer.keeps_alive, writer.has_body, writer.is_started, writer.is_finished)
    return writer.status, writer.body_bytes, writer.left_bytes, writer.ends_with_connection, *flags


def said(call: Any, *args: Any, **kwargs: Any) -> object:
    """Return what a call gives, or that it refuses."""
    try:
        return call(*args, **kwargs)
    except LocalProtocolError:
        return "refused"


STATUSES = st.one_of(st.sampled_from([199, 200, 204, 205, 206, 304, 404, 416, 999, 1000]), st.integers(0, 1100))
TEXTS = st.one_of(st.sampled_from([b"", b"a", b"\xe9\x01\t", b"a\r\nb", b"\n", b"\0"]), st.binary(max_size=30))
NAMES = st.one_of(
    st.sampled_from(
        [b"X-A", b"Date", b"dAte", b"Content-Length", b"content-lengtH", b"Transfer-Encoding", b"CONNECTION", b"Keep-Alive", b"Proxy-Connection",
         b"Upgrade", b"Upgrades", b"keep_alive", b"Server", b"", b"a b", b"\xe9"]
    ),
    st.text("abcdefghijklmnopqrstuvwxyz-", max_size=20).map(str.encode),
)  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, TEXTS), max_size=3)
LENGTHS = st.one_of(st.none(), st.integers(0, 20), st.integers(0, 2**63))


@settings(deadline=None, max_examples=500)  # the machine's speed is not what is tested
@given(
    method=st.sampled_from([b"GET", b"HEAD"]),
    is_1_1=st.booleans(),
    keeps_alive=st.booleans(),
    status=STATUSES,
    headers=HEADERS,
    reason=TEXTS,
    length=LENGTHS,
    sizes=st.lists(st.integers(1, 2**40), max_size=4),
)
def test_both_write_the_same(
    *, method: bytes, is_1_1: bool, keeps_alive: bool, status: int, headers: list[Header], reason: bytes, length: int | None, sizes: list[int]
) -> None:  # fmt: skip
    native = NativeWriter(method, is_1_1=is_1_1, keeps_alive=keeps_alive)
    pure = ResponseWriter(method, is_1_1=is_1_1, keeps_alive=keeps_alive)
    head = said(native.start, status, headers, reason=reason, content_length=length)
    assert head == said(pure.start, status, headers, reason=reason, content_length=length, date=DATE)
    assert native.state() == pure_state(pure)
    if head == "refused":
        return
    for size in sizes:
        assert native.take(size) == pure.take(size)
        assert native.frame(size) == pure.frame(size)
        assert native.state() == pure_state(pure)
    for _ in range(2):
        assert said(native.finish) == said(pure.finish)
        assert native.state() == pure_state(pure)
    assert said(native.start, 200, [], reason=b"", content_length=0) == "refused"


def test_every_framing_is_the_same() -> None:
    for method, is_1_1, keeps_alive, status, length in itertools.product(
        [b"GET", b"HEAD"], [True, False], [True, False], [200, 204, 205, 304], [None, 0, 5]
    ):
        native = NativeWriter(method, is_1_1=is_1_1, keeps_alive=keeps_alive)
        pure = ResponseWriter(method, is_1_1=is_1_1, keeps_alive=keeps_alive)
        wanted = pure.start(status, [], reason=b"", content_length=length, date=DATE)
        assert native.start(status, [], reason=b"", content_length=length) == wanted
        assert native.state() == pure_state(pure)
        assert native.take(9) == pure.take(9)
        assert native.frame(9) == pure.frame(9)
        assert said(native.finish) == said(pure.finish)
        assert native.state() == pure_state(pure)


def test_every_status_has_the_same_phrase() -> None:
    for status in range(200, 1000):
        native = NativeWriter(b"GET", is_1_1=True, keeps_alive=True)
        pure = ResponseWriter(b"GET", is_1_1=True, keeps_alive=True)
        pure_head = pure.start(status, [], reason=b"", content_length=3, date=DATE)
        assert native.start(status, [], reason=b"", content_length=3) == pure_head


def test_what_does_not_fit_is_not_written_and_changes_nothing() -> None:
    writer = NativeWriter(b"GET", is_1_1=True, keeps_alive=False)
    before = writer.state()
    whole = NativeWriter(b"GET", is_1_1=True, keeps_alive=False).start(200, [], reason=b"", content_length=3)
    end = whole[whole.index(b"Date:") :]
    for cap in range(len(end)):
        code = lib.askr_writer_start(writer.record, 200, 3, writer.slice(DATE_LINE), 0, writer.buffer, cap)
        assert (code, writer.state()) == (lib.ASKR_E2BIG, before)
    assert lib.askr_writer_start(writer.record, 200, 3, writer.slice(DATE_LINE), 0, writer.buffer, len(end)) == len(end)
    assert writer.taken(len(end)) == end


# The server's own answers.


class Answers:
    """The rows, as a wire gets them at its start."""

    def __init__(self, names: Sequence[str]) -> None:
        self._memory = ffi.new("uint8_t[]", lib.askr_answers_sizeof())
        self.rows = lib.askr_answers_init(self._memory)
        for name in names:
            answer = ServerAnswer[name]
            lines = b"".join(b"%s: %s\r\n" % field for field in answer.headers)
            texts = [ffi.new("uint8_t[]", text) for text in (answer.phrase, lines, answer.content)]
            sizes = (len(answer.phrase), len(lines), len(answer.content))
            row = ffi.new(
                "askr_answer *", [answer.status, *([text, size] for text, size in zip(texts, sizes, strict=True))]
            )
            assert lib.askr_answers_set(self.rows, getattr(lib, f"ASKR_ANSWER_{name}"), row) == lib.ASKR_OK


NATIVE_ANSWERS = [name.removeprefix("ASKR_ANSWER_") for name in dir(lib) if name.startswith("ASKR_ANSWER_") and name != "ASKR_ANSWER_COUNT"]  # fmt: skip


def test_every_answer_of_the_native_wire_has_a_row_of_its_name() -> None:
    assert len(NATIVE_ANSWERS) == lib.ASKR_ANSWER_COUNT
    assert lib.askr_answers_are_complete(Answers(NATIVE_ANSWERS).rows)
    assert not lib.askr_answers_are_complete(Answers(NATIVE_ANSWERS[1:]).rows)
    assert (
        lib.askr_answers_get(Answers(NATIVE_ANSWERS[1:]).rows, getattr(lib, f"ASKR_ANSWER_{NATIVE_ANSWERS[0]}"))
        == ffi.NULL
    )
    assert lib.askr_answers_get(Answers(NATIVE_ANSWERS).rows, lib.ASKR_ANSWER_COUNT) == ffi.NULL


def test_a_row_that_is_too_long_or_has_no_place_is_refused() -> None:
    rows = Answers([]).rows
    for phrase, lines, content, code in (
        (1024, 0, 0, 0),
        (1000, 24, 1, -2),
        (0, 1025, 0, -2),
        (1025, 0, 0, -2),
        (0, 0, 1024, 0),
    ):
        text = ffi.new("uint8_t[]", 2000)
        row = ffi.new("askr_answer *", [200, [text, phrase], [text, lines], [text, content]])
        assert lib.askr_answers_set(rows, 0, row) == code
        assert lib.askr_answers_set(rows, lib.ASKR_ANSWER_COUNT, row) == lib.ASKR_EINVAL


@pytest.mark.parametrize("name", NATIVE_ANSWERS)
@pytest.mark.parametrize("allow", [b"", b"GET, HEAD"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize(("is_1_1", "keeps_alive"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_servers_own_answers_are_the_same(
    *, name: str, allow: bytes, method: bytes, is_1_1: bool, keeps_alive: bool
) -> None:
    answer, answers = ServerAnswer[name], Answers([name])
    native = NativeWriter(method, is_1_1=is_1_1, keeps_alive=keeps_alive)
    pure = ResponseWriter(method, is_1_1=is_1_1, keeps_alive=keeps_alive)
    headers = [*answer.headers, (b"Allow", allow)] if allow else answer.headers
    wanted = pure.start(answer.status, headers, reason=answer.phrase, content_length=len(answer.content), date=DATE)
    wanted += answer.content[: pure.take(len(answer.content))] + pure.finish()
    row = lib.askr_answers_get(answers.rows, getattr(lib, f"ASKR_ANSWER_{name}"))

    def write(cap: int) -> int:
        line, allowed = native.slice(DATE_LINE), native.slice(allow)
        return int(lib.askr_writer_answer(native.record, row, allowed, line, native.buffer, cap))

    before = native.state()
    assert (write(len(wanted) - 1), native.state()) == (lib.ASKR_E2BIG, before)
    assert native.taken(write(len(wanted))) == wanted
    assert native.state() == pure_state(pure)
    assert write(CAP) == lib.ASKR_EINVAL


# Dates.


def written(wall_s: int) -> bytes:
    """Return a date as the kernel writes it."""
    buffer = ffi.new("uint8_t[]", lib.ASKR_DATE_BYTES)
    lib.askr_date_write(wall_s, buffer)
    return bytes(ffi.buffer(buffer)[:])


def read(text: bytes) -> int:
    """Return a date as the kernel reads it."""
    buffer = ffi.new("uint8_t[]", text)
    return int(lib.askr_date_read([buffer, len(text)]))


FIRST, LAST = -62_167_219_200, 253_402_300_799  # of the years 0 and 9999
MOMENTS = st.integers(FIRST, LAST)


@given(MOMENTS)
def test_dates_are_written_alike_and_read_back(wall_s: int) -> None:
    assert written(wall_s) == format_date(wall_s)
    assert read(written(wall_s)) == (wall_s if wall_s >= FIRST + 366 * 86400 else -1)  # there is no year 0 to be read


def test_every_day_of_some_centuries_is_written_alike_and_read_back() -> None:
    for wall_s in [FIRST, LAST, *range(-86400 * 40_000, 86400 * 150_000, 86400 + 1)]:
        assert written(wall_s) == format_date(wall_s)
        assert read(written(wall_s)) == (wall_s if wall_s != FIRST else -1)


@settings(max_examples=500)
@given(
    MOMENTS,
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(b"0123456789: ,-JaGMTx")), max_size=3),
    st.integers(-1, 1),
)
def test_what_is_no_date_is_none_here_and_there(wall_s: int, changes: list[tuple[int, int]], longer: int) -> None:
    text = bytearray(format_date(wall_s))
    for at, byte in changes:
        text[min(at, len(text) - 1)] = byte
    text = text[:-1] if longer < 0 else text + b" " * longer
    expected = maybe_parse_date(bytes(text), 1_700_000_000)
    assert read(bytes(text)) == (-1 if expected is None else expected)


@pytest.mark.parametrize(
    "text",
    [b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994", b"", b"0", b"Sun, 29 Feb 2023 00:00:00 GMT", b"Sun, 31 Apr 2023 00:00:00 GMT",
     b"Sun, 06 Nov 1994 24:49:37 GMT", b"Sun, 06 Nov 1994 08:60:37 GMT", b"Sun, 06 Nov 1994 08:49:37 UTC", b"Sun, 00 Nov 1994 08:49:37 GMT"],
)  # fmt: skip
def test_other_dates_are_left_to_the_pure_wire(text: bytes) -> None:
    assert read(text) == -1


@pytest.mark.parametrize(
    "text", [b"Fri, 29 Feb 2000 00:00:00 GMT", b"Sun, 06 Nov 1994 08:49:60 GMT", b"Sun, 06 Nov 1994 08:49:99 GMT"]
)
def test_leap_days_and_leap_seconds_are_read_alike(text: bytes) -> None:
    assert read(text) == maybe_parse_date(text, 0) != -1
