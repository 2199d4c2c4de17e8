"""The pure wire of a front: its acceptors, and the end of its connections."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import anyio

from askr_http.front.acceptor import Acceptor
from askr_http.front.context import FrontContext

log = logging.getLogger("askr.front")

BYE_S: Final = 1.0  # for what was cut at the end of the drain to be closed


def cut_all(context: FrontContext) -> int:
    """Cut the connections that are left; return how many they were."""
    left = list(context.connections)
    for connection in left:
        connection.abort(resets=True)
    return len(left)


class PureFront:
    """Accepts on the event loop.

    Args:
        context: What the connections share.
        listener_fds: The listening sockets, this object's from now on.
    """

    def __init__(self, context: FrontContext, listener_fds: Sequence[int]) -> None:
        self._context: Final = context
        self._acceptors: Final = [Acceptor(context, fd) for fd in listener_fds]

    def open(self) -> None:
        """Begin to accept."""
        for acceptor in self._acceptors:
            acceptor.open()

    async def drain(self, timeout_s: float) -> None:
        """Accept no more, let requests in flight finish, and close the rest."""
        for acceptor in self._acceptors:
            acceptor.close()
        log.info("draining %d connections of the pure wire", len(self._context.connections))
        self._context.begin_drain()
        if not self._context.connections:
            return
        with anyio.move_on_after(timeout_s):
            await self._context.all_closed.wait()
        if not self._context.connections:
            return
        log.warning("%d connections were cut at the end of the drain", cut_all(self._context))
        with anyio.move_on_after(BYE_S):
            await self._context.all_closed.wait()

    def close(self) -> None:
        """Let the listeners go."""
        for acceptor in self._acceptors:
            acceptor.close()
