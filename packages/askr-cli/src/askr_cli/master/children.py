"""Child processes: how the master forks one, knows it, and learns how it ended.

A child is known by pid and pidfd (pidfd_open(2), waitid(2) with P_PIDFD). Workers are forked by the template, with the master as
parent, so they too are waited for here.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import signal
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from askr_cli.master.signals import all_blocked, reset_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

log = logging.getLogger("askr.master")

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
EXIT_CHILD_FAILED = 70  # EX_SOFTWARE of sysexits.h, as in askr-php

_prctl = ctypes.CDLL(None, use_errno=True).prctl


class Role(Enum):
    """What a child is."""

    FRONT = "front"
    TEMPLATE = "template"
    WORKER = "worker"


@dataclass
class Child:
    """A living child. `started_mono` in seconds; `is_up` once it can do its work."""

    role: Role
    index: int
    pid: int
    pidfd: int
    started_mono: float
    is_up: bool = False

    def __str__(self) -> str:
        """Return the words that a log has for it."""
        return f"{self.role.value} {self.index}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def reap(self) -> int | None:
        """Return its exit code (negative: the signal that killed it) if it has ended, and let it go; else None."""
        try:
            result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:  # somebody else waited for it
            return EXIT_CHILD_FAILED
        if result is None:
            return None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def exit_words(code: int) -> str:
    """Return how a process ended, in words."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def is_own_child(pid: int) -> bool:
    """Whether `pid` is a child of this process, living or not waited for."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (OSError, OverflowError):
        return False
    return True


def become_subreaper() -> None:
    """Make orphans below this process its children: what an application leaves behind is waited for."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def raise_open_files() -> tuple[int, int]:
    """Raise the soft limit of open files to the hard one; return the limits before."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    return before


def fork_child(
    body: Callable[[], NoReturn],
    *,
    name: str,
    keep: Collection[int],
    open_files: tuple[int, int] | None = None,
) -> int:
    """Fork a process that runs `body` and dies with this one; return its pid.

    It has the standard descriptors (input from /dev/null) and those in `keep`, no handlers, no blocked signals, and the limit
    `open_files` (soft, hard) when given.

    Raises:
        OSError: the kernel refused to fork.
    """
    master_pid = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    with all_blocked():
        pid = os.fork()
        if pid == 0:
            _be_child(body, name=name, keep=keep, open_files=open_files, master_pid=master_pid)
    return pid


def _be_child(
    body: Callable[[], NoReturn],
    *,
    name: str,
    keep: Collection[int],
    open_files: tuple[int, int] | None,
    master_pid: int,
) -> NoReturn:
    code = EXIT_CHILD_FAILED
    try:
        _prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != master_pid:  # it died before the line above
            os._exit(0)
        _prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
        reset_in_child()
        close_all_but({0, 1, 2, *keep})
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        if open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, open_files)
        body()
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except BaseException:  # the last frame of this process: nobody above could handle it
        log.exception("%s failed", name)
    finally:
        os._exit(code)


def close_all_but(keep: Collection[int]) -> None:
    """Close every descriptor of this process that is not in `keep`."""
    for fd in sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir()):
        if fd not in keep:
            with contextlib.suppress(OSError):  # the descriptor of the listing itself is closed already
                os.close(fd)


def unannounced_children(known: Collection[int]) -> list[int]:
    """Return the pids of this process's children that run its own program and are not in `known`.

    That is what a template leaves behind when it is killed between the fork of a worker and the message about it. What an
    application started has another program.
    """
    own_pid, own_program = os.getpid(), Path("/proc/self/exe").readlink()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in known:
            continue
        try:
            stat = (folder / "stat").read_text(errors="replace")
            is_own_child = int(stat.rpartition(")")[2].split()[1]) == own_pid
            if is_own_child and (folder / "exe").readlink() == own_program:
                found.append(int(folder.name))
        except OSError:  # it ended meanwhile
            continue
    return found
