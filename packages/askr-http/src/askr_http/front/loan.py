"""A connection that belongs to somebody else, as the one who has it for a while sees it."""

from __future__ import annotations

from typing import Protocol


class Loan(Protocol):
    """A connection that is the native wire's and was lent for one request."""

    @property
    def data(self) -> bytes:
        """What the wire has read of it and not consumed."""

    @property
    def head_since_mono_ns(self) -> int | None:
        """When the head that is arriving began to; None: it has not."""

    def give_back(self, fd: int, data: bytes) -> None:
        """Let the owner go on: with the descriptor, which is now the owner's, and what was read ahead."""
