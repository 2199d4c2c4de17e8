"""What a worker has written and its client has not read yet: in memory first, then in a file without a name.

So a worker is free as soon as it has written, whatever its client's line is like.
"""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from collections import deque
from typing import Final

_PIECE_BYTES: Final = 256 * 1024
_PUNCH_HOLE: Final = 0x02 | 0x01  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_NO_TMPFILE: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})  # overlay, NFS

_fallocate = ctypes.CDLL(None).fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)  # off_t is 64 bits wide where we run


def open_unnamed_file(directory: str | None) -> int:
    """Return a descriptor of a file that has no name and goes with it.

    Raises:
        OSError: There is no room, or no right to.
    """
    where = directory or tempfile.gettempdir()
    try:
        return os.open(where, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
    fd, path = tempfile.mkstemp(prefix="askr-response-", dir=where)
    os.unlink(path)  # noqa: PTH108 - a path that mkstemp has just made
    return fd


class ResponseBuffer:
    """A queue of bytes; order is kept: while the file holds something, further bytes go behind it.

    Args:
        memory_bytes: How much stays in memory.
        directory: Where the file is made; None: TMPDIR.
    """

    def __init__(self, memory_bytes: int, directory: str | None) -> None:
        self._memory_bytes: Final = memory_bytes
        self._directory: Final = directory
        self._parts: deque[bytes] = deque()
        self._in_memory = 0
        self._fd: int | None = None
        self._read_at = 0
        self._write_at = 0

    def __len__(self) -> int:
        return self._in_memory + self._write_at - self._read_at

    def put(self, data: bytes) -> None:
        """Append.

        Raises:
            OSError: The disk is full; nothing of `data` was taken.
        """
        in_file = self._write_at - self._read_at
        if not in_file and self._in_memory + len(data) <= self._memory_bytes:
            self._parts.append(data)
            self._in_memory += len(data)
            return
        if self._fd is None:
            self._fd = open_unnamed_file(self._directory)
        view, at = memoryview(data), self._write_at
        while view:
            written = os.pwrite(self._fd, view, at)
            view, at = view[written:], at + written
        self._write_at = at

    def take(self) -> bytes:
        """Take the next bytes; b"" when there are none."""
        if self._parts:
            data = self._parts.popleft()
            self._in_memory -= len(data)
            return data
        if self._fd is None or self._read_at == self._write_at:
            return b""
        data = os.pread(self._fd, min(_PIECE_BYTES, self._write_at - self._read_at), self._read_at)
        self._read_at += len(data)
        if self._read_at == self._write_at:
            self._read_at = self._write_at = 0
            os.ftruncate(self._fd, 0)
        else:  # what was read takes no room any more; a file system without holes waits for the end
            _fallocate(self._fd, _PUNCH_HOLE, 0, self._read_at)
        return data

    def close(self) -> None:
        """Let everything go."""
        self._parts.clear()
        self._in_memory = self._read_at = self._write_at = 0
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
