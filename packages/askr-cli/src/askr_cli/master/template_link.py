"""The master's end of a template's control socket (SOCK_SEQPACKET; messages are askr_control of askr-php's askr_php.h)."""

from __future__ import annotations

import os
import socket
import struct
from enum import IntEnum
from typing import NamedTuple

COMMAND = struct.Struct("=II")  # op, worker index
ANSWER = struct.Struct("=III")  # op, worker index, pid or errno
MAX_ASKED = 32  # forks asked for at a time: far below what a socket's buffer holds


class Op(IntEnum):
    """What a message says."""

    FORK = 1
    STOP = 2
    READY = 11
    FORKED = 12
    FAILED = 13


class Answer(NamedTuple):
    """A message of the template about `worker`; `value` is its pid (FORKED) or an errno (FAILED)."""

    op: Op
    worker: int
    value: int


class TemplateLink:
    """One template's control socket and the forks asked for that it has not answered yet."""

    def __init__(self) -> None:
        """Make the pair; the template's end is `child_fd` until `close_child_end`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.fd = ours.detach()
        self.child_fd = theirs.detach()
        self.is_ready = False
        self.is_closed = False  # the template's end is
        self.is_broken = False  # it said what it was not asked
        self.asked: set[int] = set()

    def close_child_end(self) -> None:
        """Close the template's end in the master, so that its death is seen."""
        os.close(self.child_fd)

    def close(self) -> None:
        """Close the master's end: a template that lives stops."""
        os.close(self.fd)

    def can_ask(self) -> bool:
        """Whether a fork may be asked for now."""
        return self.is_ready and len(self.asked) < MAX_ASKED

    def ask_fork(self, index: int) -> bool:
        """Ask for worker `index`; return False when the template is gone."""
        if not self._send(Op.FORK, index):
            return False
        self.asked.add(index)
        return True

    def stop(self) -> None:
        """Ask the template to end."""
        self._send(Op.STOP, 0)

    def answers(self) -> list[Answer]:
        """Return what the template said since the last call."""
        found: list[Answer] = []
        while True:
            try:
                data = os.read(self.fd, 64)
            except BlockingIOError:
                return found
            except (
                ConnectionResetError
            ):  # it ended with commands unread; told once, and what it said before comes after
                continue
            if len(data) != ANSWER.size:
                self.is_closed = True
                return found
            op, index, value = ANSWER.unpack(data)
            if op == Op.READY:
                self.is_ready = True
            elif op in {Op.FORKED, Op.FAILED} and index in self.asked:
                self.asked.discard(index)
            else:
                self.is_broken = True
                return found
            found.append(Answer(Op(op), index, value))

    def _send(self, op: Op, index: int) -> bool:
        try:
            os.write(self.fd, COMMAND.pack(op, index))
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            return False
        return True
