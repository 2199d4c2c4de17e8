"""A poll(2) that calls a function for each descriptor that is readable.

poll and not epoll: an epoll instance is shared with children after a fork and outlives the descriptors that they close.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Poller:
    """Descriptors and what to call for them."""

    def __init__(self) -> None:
        """Watch nothing."""
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Call `handler` whenever `fd` is readable, or was closed at its other end."""
        self._handlers[fd] = handler
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        """Forget `fd`, if it is watched."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def step(self, timeout_s: float | None) -> None:
        """Wait for at most `timeout_s` seconds (for ever when None) and call the handlers of what is readable."""
        timeout_ms = None if timeout_s is None else max(timeout_s, 0.001) * 1000
        for fd, _ in self._poll.poll(timeout_ms):
            handler = self._handlers.get(fd)
            if handler is not None:  # an earlier handler of this round may have closed it
                handler()
