"""Heads: what is encoded comes back, anything else is refused, and the kernel reads what Python writes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askr_shm._kernel import ffi, lib
from askr_shm.errors import HeadError
from askr_shm.head import (
    Field,
    RequestHead,
    ResponseHead,
    decode_request_head,
    decode_response_head,
    encode_request_head,
    encode_response_head,
)

texts = st.binary(max_size=40).filter(lambda value: not {0, 10, 13} & set(value))
names = texts.filter(bool)
headers = st.lists(st.tuples(names, texts), max_size=8)
fields = st.dictionaries(st.sampled_from(Field), texts)


def records_of_the_kernel(data: bytes) -> list[tuple[int, bytes, bytes]]:
    buffer, at, record = ffi.new("uint8_t[]", data), ffi.new("size_t *"), ffi.new("askr_record *")
    found = []
    while (code := lib.askr_record_next(buffer, len(data), at, record)) == 0:
        name = ffi.buffer(record.name, record.name_len)[:] if record.name_len else b""
        found.append((record.tag, name, ffi.buffer(record.value, record.value_len)[:]))
    assert code == lib.ASKR_EAGAIN
    return found


@given(fields, headers)
def test_a_request_head_comes_back(fields: dict[Field, bytes], headers: list[tuple[bytes, bytes]]) -> None:
    assert decode_request_head(encode_request_head(fields, headers)) == RequestHead(fields, headers)


@given(fields, headers)
def test_the_kernel_reads_the_same_records(fields: dict[Field, bytes], headers: list[tuple[bytes, bytes]]) -> None:
    expected = [(int(tag), b"", value) for tag, value in fields.items()]
    expected += [(100, name, value) for name, value in headers]
    assert records_of_the_kernel(encode_request_head(fields, headers)) == expected


@given(st.integers(0, 65535), headers, texts)
def test_a_response_head_comes_back(status: int, headers: list[tuple[bytes, bytes]], reason: bytes) -> None:
    assert decode_response_head(encode_response_head(status, headers, reason)) == ResponseHead(status, reason, headers)


@given(headers, st.data())
def test_a_cut_head_is_refused_or_ends_with_a_record(headers: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    whole = encode_response_head(200, headers, b"OK")
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        assert headers[: len(decode_response_head(cut).headers)] == decode_response_head(cut).headers
    except HeadError:
        assert len(cut) < len(whole)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_head_or_refused(data: bytes) -> None:
    for decode in (decode_request_head, decode_response_head):
        try:
            decode(data)
        except HeadError:
            continue


@pytest.mark.parametrize("bad", [b"a\nb", b"a\rb", b"a\0b"])
def test_nothing_that_ends_a_field_passes(bad: bytes) -> None:
    heads: list[tuple[dict[Field, bytes], list[tuple[bytes, bytes]]]]
    heads = [({Field.TARGET: bad}, []), ({}, [(bad, b"x")]), ({}, [(b"x", bad)])]
    for head in heads:
        with pytest.raises(HeadError):
            encode_request_head(*head)
    record = struct.pack("=HHI", 100, 1, len(bad)) + b"x" + bad
    with pytest.raises(HeadError):
        decode_response_head(struct.pack("=HH", 200, 0) + record)
    with pytest.raises(HeadError):
        decode_response_head(struct.pack("=HH", 200, len(bad)) + bad)


def test_a_name_is_neither_empty_nor_endless() -> None:
    for name in b"", b"x" * 65536:
        with pytest.raises(HeadError):
            encode_request_head({}, [(name, b"")])


def test_a_response_head_has_headers_only() -> None:
    with pytest.raises(HeadError, match="no header"):
        decode_response_head(struct.pack("=HH", 200, 0) + struct.pack("=HHI", 1, 0, 3) + b"GET")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(HeadError, match="unknown field 17"):
        decode_request_head(struct.pack("=HHI", 17, 0, 0))
