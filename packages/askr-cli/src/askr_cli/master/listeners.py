"""The listening sockets: bound by the master before any fork, accepted from by every front."""

from __future__ import annotations

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
    """A listening socket: its descriptor, and the address with the port that the kernel chose if 0 was asked for."""

    fd: int
    address: Address


def bind_listener(address: Address) -> Listener:
    """Listen on `address`, without blocking.

    Raises:
        ListenError: the kernel refused.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address.host, address.port))
            sock.listen(BACKLOG)
            sock.setblocking(False)
            port = sock.getsockname()[1]
            return Listener(sock.detach(), address._replace(port=port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        advice = ADVICE.get(error.errno or 0)
        message = f"cannot listen on {address}: {reason}" + (f" ({advice})" if advice else "")
        raise ListenError(message) from None
