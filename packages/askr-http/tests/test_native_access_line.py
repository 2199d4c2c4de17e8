"""A line of the access log, written in C and in Python."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from askr_http._kernel import ffi, lib
from askr_http.access_line import access_line


def native_line(
    *,
    ts_wall_s: int,
    ip: str,
    method: bytes,
    path: bytes,
    status: int,
    body_bytes: int,
    duration_ns: int,
    cap: int = 16384,
) -> bytes | None:
    """Return what C writes, None when it does not fit."""
    texts = [ffi.new("uint8_t[]", text) for text in (ip.encode(), method, path)]
    slices = [[text, len(text) - 1] for text in texts]
    record = ffi.new("askr_access_record *", [ts_wall_s, *slices, body_bytes, duration_ns, status])
    buffer = ffi.new("uint8_t[]", cap)
    size = lib.askr_access_line_write(record, buffer, cap)
    assert size > 0 or size == lib.ASKR_E2BIG
    return None if size < 0 else bytes(ffi.buffer(buffer, size)[:])


DURATIONS = st.one_of(
    st.integers(0, 2**63), st.integers(0, 10**6), st.integers(0, 10**9).map(lambda n: n * 5000), st.integers(0, 10**9).map(lambda n: n * 10_000 + 4999)
)  # fmt: skip


@given(
    ts_wall_s=st.integers(-(2**63), 2**63 - 1),
    ip=st.ip_addresses().map(str),
    method=st.binary(max_size=10).filter(lambda text: 0 not in text),
    path=st.binary(max_size=100),
    status=st.integers(0, 999),
    body_bytes=st.integers(0, 2**64 - 1),
    duration_ns=DURATIONS,
)
def test_the_lines_are_the_same(
    *, ts_wall_s: int, ip: str, method: bytes, path: bytes, status: int, body_bytes: int, duration_ns: int
) -> None:
    def line(path: bytes) -> bytes:
        return access_line(
            ts_wall_s=ts_wall_s,
            ip=ip,
            method=method,
            path=path,
            status=status,
            body_bytes=body_bytes,
            duration_ns=duration_ns,
        )

    whole = native_line(
        ts_wall_s=ts_wall_s,
        ip=ip,
        method=method,
        path=path,
        status=status,
        body_bytes=body_bytes,
        duration_ns=duration_ns,
    )
    assert whole == line(path)
    assert json.loads(whole)["path"] == path.decode("latin-1")
    cut = native_line(
        ts_wall_s=ts_wall_s, ip=ip, method=method, path=path, status=status, body_bytes=body_bytes, duration_ns=duration_ns, cap=len(whole) - 1
    )  # fmt: skip
    assert cut is None


def test_every_byte_is_escaped_alike() -> None:
    path = bytes(range(256))
    line = native_line(ts_wall_s=1, ip="::1", method=b"GET", path=path, status=200, body_bytes=3, duration_ns=1_234_567)
    assert line == access_line(
        ts_wall_s=1, ip="::1", method=b"GET", path=path, status=200, body_bytes=3, duration_ns=1_234_567
    )
    assert line is not None
    assert line.endswith(b'"dur_ms":1.23}\n')
