"""Make and read PNG images without a library (W3C PNG, third edition, sections 5 and 11)."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(width: int, height: int) -> bytes:
    """Return an 8-bit RGB image of `width` x `height` pixels with a gradient in it."""
    rows = (
        b"\0" + b"".join(bytes((x * 255 // width, y * 255 // height, 128)) for x in range(width)) for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"".join(rows))) + _chunk(b"IEND", b"")


def png_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) of the image `data`."""
    assert data.startswith(SIGNATURE), f"not a PNG image: {data[:16]!r}"
    width, height = struct.unpack_from(">II", data, len(SIGNATURE) + 8)
    return width, height
