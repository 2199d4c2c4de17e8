"""How a request head and a response head are written down between a front and a worker.

The format is described in `csrc/askr_head.h`; this is the same in Python, for fronts and tests.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from askr_shm.errors import HeadError

Header = tuple[bytes, bytes]

HEADER_TAG: Final = 100
_RECORD: Final = struct.Struct("=HHI")  # tag, length of name, length of value
_STATUS: Final = struct.Struct("=HH")  # status, length of reason
_FORBIDDEN: Final = re.compile(rb"[\0\r\n]")  # would end a header field or a C string: injection


class Field(IntEnum):
    """What a worker is told about a request beside its header fields (CGI's names, RFC 3875 section 4.1)."""

    METHOD = 1
    TARGET = 2
    """REQUEST_URI, as sent."""
    QUERY = 3
    SCRIPT_NAME = 4
    SCRIPT_FILENAME = 5
    PATH_INFO = 6
    DOCUMENT_ROOT = 7
    PROTOCOL = 8
    SCHEME = 9
    SERVER_NAME = 10
    SERVER_PORT = 11
    SERVER_ADDR = 12
    REMOTE_ADDR = 13
    REMOTE_PORT = 14
    REQUEST_TIME_US = 15
    """Wall clock, decimal."""
    CONTENT_LENGTH = 16


@dataclass(frozen=True)
class RequestHead:
    """A decoded request head."""

    fields: dict[Field, bytes]
    headers: list[Header]


@dataclass(frozen=True)
class ResponseHead:
    """A decoded response head; `reason` is empty when the standard phrase will do."""

    status: int
    reason: bytes
    headers: list[Header]


def _check(parts: Sequence[bytes]) -> None:
    if _FORBIDDEN.search(b"".join(parts)):
        message = "a head holds NUL, CR or LF"
        raise HeadError(message)


def _header_parts(headers: Sequence[Header], into: list[bytes], texts: list[bytes]) -> None:
    for name, value in headers:
        if not 0 < len(name) < 0x10000:
            message = f"a header name of {len(name)} bytes"
            raise HeadError(message)
        into += (_RECORD.pack(HEADER_TAG, len(name), len(value)), name, value)
        texts += (name, value)


def encode_request_head(fields: Mapping[Field, bytes], headers: Sequence[Header]) -> bytes:
    """Return the encoded head of a request.

    Args:
        fields: CGI's fields; those left out are absent for PHP, too.
        headers: Header fields in the order in which they were sent, names as sent.

    Raises:
        HeadError: A value holds NUL, CR or LF, or a name is empty or longer than 65,535 bytes.
    """
    parts: list[bytes] = []
    texts: list[bytes] = []
    for tag, value in fields.items():
        parts += (_RECORD.pack(tag, 0, len(value)), value)
        texts.append(value)
    _header_parts(headers, parts, texts)
    _check(texts)
    return b"".join(parts)


def encode_response_head(status: int, headers: Sequence[Header], reason: bytes = b"") -> bytes:
    """Return the encoded head of a response, as a worker writes it.

    Raises:
        HeadError: As for a request, or the status or reason does not fit 16 bits.
    """
    if not 0 <= status < 0x10000 or len(reason) >= 0x10000:
        message = "status or reason out of range"
        raise HeadError(message)
    parts = [_STATUS.pack(status, len(reason)), reason]
    texts = [reason]
    _header_parts(headers, parts, texts)
    _check(texts)
    return b"".join(parts)


def _records(data: bytes, at: int) -> list[tuple[int, bytes, bytes]]:
    """Return (tag, name, value) of each record from `at` on."""
    found: list[tuple[int, bytes, bytes]] = []
    end = len(data)
    while at < end:
        if end - at < _RECORD.size:
            message = "an encoded head ends inside a record"
            raise HeadError(message)
        tag, name_len, value_len = _RECORD.unpack_from(data, at)
        name_at = at + _RECORD.size
        value_at = name_at + name_len
        at = value_at + value_len
        if at > end or (tag == HEADER_TAG) != (name_len != 0):
            message = "an encoded head has a record that is none"
            raise HeadError(message)
        found.append((tag, data[name_at:value_at], data[value_at:at]))
    _check([text for _, name, value in found for text in (name, value)])
    return found


def decode_request_head(data: bytes) -> RequestHead:
    """Return the head that `encode_request_head` encoded.

    Raises:
        HeadError: The bytes are no such head.
    """
    fields: dict[Field, bytes] = {}
    headers: list[Header] = []
    for tag, name, value in _records(data, 0):
        if tag == HEADER_TAG:
            headers.append((name, value))
        elif tag in _TAGS:
            fields[Field(tag)] = value
        else:
            message = f"an encoded head has an unknown field {tag}"
            raise HeadError(message)
    return RequestHead(fields, headers)


_TAGS: Final = frozenset(int(tag) for tag in Field)


def decode_response_head(data: bytes) -> ResponseHead:
    """Return the head of a response as a worker encoded it.

    Raises:
        HeadError: The bytes are no such head: the worker's memory is not to be trusted any more.
    """
    if len(data) < _STATUS.size:
        message = "an encoded response head is too short"
        raise HeadError(message)
    status, reason_len = _STATUS.unpack_from(data)
    start = _STATUS.size + reason_len
    if start > len(data):
        message = "an encoded response head ends inside its reason"
        raise HeadError(message)
    reason = data[_STATUS.size : start]
    _check([reason])
    records = _records(data, start)
    if any(tag != HEADER_TAG for tag, _, _ in records):
        message = "an encoded response head has a record that is no header"
        raise HeadError(message)
    return ResponseHead(status, reason, [(name, value) for _, name, value in records])
