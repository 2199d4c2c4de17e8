"""Accepting connections: nothing that accept(2) says stops a listener."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from functools import partial
from typing import Final

from askr_http.errors import ServerAnswer
from askr_http.front.addresses import parse_address
from askr_http.front.connection import Connection
from askr_http.front.context import FrontContext

log = logging.getLogger("askr.front")

_AT_ONCE: Final = 16  # then the other fronts have their turn
_PAUSE_S: Final = 0.2
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Accepts from one listener.

    Args:
        context: What the connections share.
        fd: The listening socket.
    """

    def __init__(self, context: FrontContext, fd: int) -> None:
        self._context: Final = context
        self._socket: Final = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def open(self) -> None:
        """Begin to accept."""
        self._timer = None
        if not self._is_closed:
            self._context.loop.add_reader(self._socket, self._on_ready)

    def close(self) -> None:
        """Accept no more."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._context.loop.remove_reader(self._socket)
        self._socket.close()

    def _on_ready(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                    return
                continue  # the error is that of the connection that was to be accepted
            sock.setblocking(False)
            address = parse_address(peer).host
            if self._context.admit(address):
                self._context.spawn(partial(self._adopt, sock, address))
            else:
                _turn_away(sock)

    def _pause(self, error: OSError) -> None:
        """Look away for a moment: the connections that wait would wake the loop for ever."""
        log.warning("cannot accept: %s; trying again in %g s", error.strerror, _PAUSE_S)
        self._context.loop.remove_reader(self._socket)
        self._timer = self._context.loop.call_later(_PAUSE_S, self.open)

    async def _adopt(self, sock: socket.socket, address: str) -> None:
        def release() -> None:
            self._context.dismiss(address)

        try:
            await self._context.loop.connect_accepted_socket(lambda: Connection(self._context, on_lost=release), sock)
        except OSError as error:
            log.warning("cannot take a connection: %s", error.strerror)
            sock.close()
            release()


def _turn_away(sock: socket.socket) -> None:
    """Tell a client that there are too many; it may not read it."""
    answer = ServerAnswer.BUSY
    fields = b"".join(b"%s: %s\r\n" % field for field in answer.headers)
    content = answer.content
    try:
        sock.send(
            b"HTTP/1.1 %d %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (answer.status, answer.phrase, fields, len(content), content)
        )
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    finally:
        sock.close()
