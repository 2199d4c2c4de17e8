"""What can go wrong in shared memory, as exceptions and as the kernel's numbers."""

from __future__ import annotations

import os
from typing import Any, Final

OK: Final = 0
EAGAIN: Final = -1
E2BIG: Final = -2
EFULL: Final = -3
ESTALE: Final = -4
EINVAL: Final = -5
ESYS: Final = -6
ECANCELED: Final = -7
EVERSION: Final = -8


class ShmError(Exception):
    """Base of this package's exceptions."""


class PoolFull(ShmError):
    """Raised when a bounded table, slab or ring has no room.

    The request cannot be taken now; a server answers 503.
    """


class StaleExchange(ShmError):
    """Raised when an exchange is no longer what the caller holds: it was released, or is in another state."""


class Cancelled(ShmError):
    """Raised in a worker when the client or its front is gone, or the worker was told to drain."""


class TooBig(ShmError):
    """Raised when something exceeds a fixed limit."""


class VersionMismatch(ShmError):
    """Raised when a descriptor is no pool, or one of another layout version."""


class CorruptPool(ShmError):
    """Raised when shared memory does not hold what it must: a process wrote over it."""


class HeadError(ValueError):
    """Raised when bytes are no encoded head, or a head cannot be encoded."""


class TryAgain(ShmError):
    """Raised when there is nothing now."""


_EXCEPTIONS: Final[dict[int, tuple[type[Exception], str]]] = {
    EAGAIN: (TryAgain, "there is nothing now"),
    E2BIG: (TooBig, "larger than a fixed limit"),
    EFULL: (PoolFull, "no room"),
    ESTALE: (StaleExchange, "the exchange is not the caller's any more"),
    EINVAL: (ValueError, "an argument is out of range"),
    ECANCELED: (Cancelled, "the other party left"),
    EVERSION: (VersionMismatch, "made by another layout version"),
}


def check(code: int, what: str, ffi: Any) -> int:
    """Return `code` when it is not an error.

    Args:
        code: What a kernel function returned.
        what: What was tried, for the message.
        ffi: The kernel's ffi, whose errno belongs to that call.

    Raises:
        OSError: A system call failed.
        ShmError: One of this module's.
        ValueError: An argument is out of range.
    """
    if code >= 0:
        return code
    if code == ESYS:
        raise OSError(ffi.errno, f"{what}: {os.strerror(ffi.errno)}")
    exception, reason = _EXCEPTIONS[code]
    message = f"{what}: {reason}"
    raise exception(message)
