"""The chunked transfer coding (RFC 9112 section 7.1), decoded strictly.

Strict means: one CRLF where the grammar has one, no bare LF, no white space around the size, nothing but a field line among the
trailers. What proxies and servers read differently is where requests are smuggled, so it is refused.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from askr_http.errors import RemoteProtocolError

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
# 15 digits are less than 2**63, so that no reader in C overflows where we do not.
_EXTENSION: Final = rb"[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;" + _EXTENSION + rb"(?:[ \t]*;" + _EXTENSION + rb")*)?")
_TRAILER: Final = re.compile(_TOKEN + rb":[\t -~\x80-\xff]*")
_MOST_EMPTY_OVERHEAD: Final = 16  # bytes of size line and CRLF that a chunk may cost before they count as overhead


class _At(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    END = auto()


class ChunkedDecoder:
    """Decodes one body.

    Args:
        line_limit: Bytes of one size line or trailer line, without CRLF.
        overhead_limit: Bytes of extensions and trailers together.
    """

    def __init__(self, line_limit: int, overhead_limit: int) -> None:
        self._line_limit: Final = line_limit
        self._overhead_left = overhead_limit
        self._at = _At.SIZE
        self._left = 0

    @property
    def is_at_end(self) -> bool:
        """Whether the body and its trailers are complete."""
        return self._at is _At.END

    def decode(self, buffer: bytearray) -> bytes:
        """Take from the front of `buffer` what can be decoded, and return the next data; b"" when there is none yet.

        Raises:
            RemoteProtocolError: The bytes are not chunked.
        """
        while self._at is not _At.END:
            if self._at is _At.DATA:
                data = bytes(buffer[: self._left])
                del buffer[: len(data)]
                self._left -= len(data)
                if self._left == 0:
                    self._at = _At.DATA_END
                return data
            if self._at is _At.DATA_END:
                if not b"\r\n".startswith(buffer[:2]):
                    raise RemoteProtocolError("a chunk does not end with CRLF")
                if len(buffer) < 2:
                    break
                del buffer[:2]
                self._at = _At.SIZE
                continue
            line = self._maybe_line(buffer)
            if line is None:
                break
            if self._at is _At.SIZE:
                self._begin_chunk(line)
            elif line:
                if _TRAILER.fullmatch(line) is None:
                    raise RemoteProtocolError("a trailer is no field line")
                self._spend(len(line) + 2)
            else:
                self._at = _At.END
        return b""

    def _begin_chunk(self, line: bytes) -> None:
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise RemoteProtocolError("a chunk's size is none")
        self._spend(max(0, len(line) - _MOST_EMPTY_OVERHEAD))
        self._left = int(found[1], 16)
        self._at = _At.DATA if self._left else _At.TRAILER

    def _spend(self, size: int) -> None:
        self._overhead_left -= size
        if self._overhead_left < 0:
            raise RemoteProtocolError("chunk extensions and trailers are too long")

    def _maybe_line(self, buffer: bytearray) -> bytes | None:
        """Take a line from `buffer`; a bare LF is refused as soon as it is seen."""
        end = buffer.find(b"\n", 0, self._line_limit + 2)
        if end < 0:
            if len(buffer) >= self._line_limit + 2:
                raise RemoteProtocolError("a chunk's size line or a trailer is too long")
            return None
        if end == 0 or buffer[end - 1] != 0x0D:
            raise RemoteProtocolError("a line of the chunked coding ends without CR")
        line = bytes(buffer[: end - 1])
        del buffer[: end + 1]
        return line
