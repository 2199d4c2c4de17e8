"""The listening sockets: bound by the master before any fork, one for each front (SO_REUSEPORT), so that the kernel shares out connections.

Where all fronts accept from one socket, one front may get nearly all connections, and others are woken for nothing; with a socket each, the
shares are even (docs/where-the-time-goes.md). The master keeps them open: what waits in the queue of a front that died is its successor's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askr_cli.values import Address

BACKLOG = 1024  # contract, "Listen socket"

ADVICE: dict[int, str] = {
    errno.EADDRINUSE: "another process listens there: stop it, or choose another address with --listen",
    errno.EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EAFNOSUPPORT: "this machine has no such address family",
}


class ListenError(Exception):
    """Raised when an address cannot be listened on; the text says why and what to do."""


@dataclass(frozen=True)
class Listener:
    """Listening sockets of one address: a descriptor for each front, and the address with the port that the kernel chose if 0 was asked for."""

    fds: tuple[int, ...]
    address: Address

    def close(self) -> None:
        """Listen no more."""
        for fd in self.fds:
            os.close(fd)


def bind_listener(address: Address, fronts: int) -> Listener:
    """Listen on `address`, without blocking, with a socket for each of `fronts`.

    Raises:
        ListenError: the kernel refused.
    """
    try:
        with contextlib.ExitStack() as undo:
            first = undo.enter_context(_socket(address))
            bound = address._replace(port=first.getsockname()[1])
            sockets = [first]
            if fronts > 1:
                # Only now: with the option, another server of the same user could have bound the address as well.
                first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sockets += [undo.enter_context(_socket(bound, is_shared=True)) for _ in range(fronts - 1)]
            return Listener(tuple(sock.detach() for sock in sockets), bound)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        advice = ADVICE.get(error.errno or 0)
        message = f"cannot listen on {address}: {reason}" + (f" ({advice})" if advice else "")
        raise ListenError(message) from None


def _socket(address: Address, *, is_shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((address.host, address.port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
