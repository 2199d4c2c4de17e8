"""Signals as bytes in a pipe, so that the master's poll sees them between two steps and never inside one.

signal.set_wakeup_fd writes the number of each signal; the handlers themselves do nothing.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HANDLED = (*ENDING, signal.SIGCHLD)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Exist, so that Python writes to the wake-up descriptor."""


class SignalPipe:
    """The master's signals from `open` to `close`; `fd` is readable when one came."""

    def __init__(self) -> None:
        """Install the handlers."""
        self.fd, self._writer = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, _nothing)

    def read(self) -> list[signal.Signals]:
        """Return the signals that came since the last call, in order."""
        try:
            return [signal.Signals(number) for number in os.read(self.fd, 4096) if number in HANDLED]
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Listen no more: the process ends, and a second signal must not turn its exit code into a death."""
        signal.set_wakeup_fd(-1)
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        os.close(self.fd)
        os.close(self._writer)


@contextmanager
def all_blocked() -> Iterator[None]:
    """Block every signal inside the block: a fork must not run the master's handlers in the child."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def reset_in_child() -> None:
    """Give a forked child the defaults, but for what a terminal sends to a whole group: that is the master's business."""
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
