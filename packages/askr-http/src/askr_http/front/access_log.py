"""The access log's file: lines are gathered and written together, and the event loop never waits for a reader of them."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import stat
from typing import Final

log = logging.getLogger("askr.front")

_DELAY_S: Final = 0.05
_BATCH_BYTES: Final = 64 * 1024
_MOST_WAITING_BYTES: Final = 1024 * 1024
_PIPE_PIECE_BYTES: Final = 4096  # PIPE_BUF: a pipe that polls as writable takes so much at once


class AccessLog:
    """Appends lines to a file, or to standard output ("-").

    A pipe or terminal whose reader is slow gets lines while it takes them; beyond 1 MiB further lines are dropped and counted.

    Args:
        path: Of the file, which is made when it is missing.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._is_ours: Final = path != "-"
        self._fd: Final = _open(path) if self._is_ours else 1
        self._is_regular: Final = stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._poll: Final = select.poll()
        self._poll.register(self._fd, select.POLLOUT)
        self._waiting = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._dropped = 0
        self._is_broken = False

    def add(self, line: bytes) -> None:
        """Take a line; it is written soon."""
        self.add_lines(line)

    def add_lines(self, lines: bytes) -> None:
        """Take complete lines; they are written soon."""
        if len(self._waiting) + len(lines) > _MOST_WAITING_BYTES:
            self._dropped += lines.count(b"\n")
            return
        self._waiting += lines
        if len(self._waiting) >= _BATCH_BYTES and self._is_regular:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY_S, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(_DELAY_S, self._on_timer)

    def flush(self) -> None:
        """Write what waits, as far as it is taken at once."""
        try:
            while self._waiting and (self._is_regular or self._poll.poll(0)):
                size = len(self._waiting) if self._is_regular else _line_end(self._waiting, _PIPE_PIECE_BYTES)
                del self._waiting[: os.write(self._fd, self._waiting[:size])]
        except OSError as error:
            self._waiting.clear()
            if not self._is_broken:
                log.warning("access log: %s; lines are lost", error.strerror)
            self._is_broken = True
            return
        self._is_broken = False
        if self._dropped and not self._waiting:
            log.warning("access log: %d lines were dropped because they were not read in time", self._dropped)
            self._dropped = 0

    def close(self) -> None:
        """Write what waits and close the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()
        if self._is_ours:
            os.close(self._fd)


def _open(path: str) -> int:
    # Without O_NONBLOCK, a named pipe that nobody reads would stop the process here; afterwards a write is to wait.
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
    os.set_blocking(fd, True)
    return fd


def _line_end(data: bytearray, limit: int) -> int:
    """Return a size up to `limit` that ends with a line, so that lines of several fronts do not mix."""
    return data.rfind(b"\n", 0, limit) + 1 or limit
