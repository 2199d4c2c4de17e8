"""The master's children: those that it knows, and the strangers that fall to it because it is a subreaper."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from askr_cli.master.children import Child, Role, unannounced_children

if TYPE_CHECKING:
    from collections.abc import Callable

    from askr_cli.master.poller import Poller

log = logging.getLogger("askr.master")


class Family:
    """Living children by pid. `on_exit` is called with a child that ended and was waited for, and its exit code."""

    def __init__(self, poller: Poller, on_exit: Callable[[Child, int], None]) -> None:
        """Watch nobody yet; deaths are seen through `poller`."""
        self._poller = poller
        self._on_exit = on_exit
        self._children: dict[int, Child] = {}
        self.has_strangers = False  # an unknown child ended, which may be a worker that was not announced yet

    def adopt(self, role: Role, index: int, pid: int) -> Child:
        """Know the child `pid` from now on; it may have ended already."""
        child = Child(role, index, pid, os.pidfd_open(pid), time.monotonic())
        self._children[pid] = child
        self._poller.watch(child.pidfd, lambda: self._look_at(child))
        log.debug("%s started", child, extra={"pid": pid})
        return child

    def members(self, *roles: Role) -> list[Child]:
        """Return the living children of these roles."""
        return [child for child in self._children.values() if child.role in roles]

    def _look_at(self, child: Child) -> None:
        code = child.reap()
        if code is not None:
            self._forget(child)
            self._on_exit(child, code)

    def _forget(self, child: Child) -> None:
        self._poller.unwatch(child.pidfd)
        os.close(child.pidfd)
        del self._children[child.pid]

    def reap(self, is_expecting: Callable[[], bool]) -> None:
        """Wait for everybody who has ended.

        `is_expecting` reads what the template has said and tells whether it still owes an answer; an unknown child may be the worker
        that the answer is about, so it is left alone until then.
        """
        self.has_strangers = False
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            is_unclear = found.si_pid not in self._children and is_expecting()
            child = self._children.get(found.si_pid)
            if child is not None:
                self._look_at(child)
            elif is_unclear:
                self.has_strangers = True
                return
            else:
                os.waitpid(found.si_pid, 0)  # an orphan that an application left behind

    def end_unannounced(self) -> None:
        """End the workers that a template forked and was killed before it told of them."""
        for pid in unannounced_children(self._children.keys()):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.reap(lambda: False)

    def end_all(self) -> None:
        """Kill and wait for everybody; `on_exit` is not called."""
        for child in self.members(*Role):
            child.send(signal.SIGKILL)
            os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
            self._forget(child)
        self.reap(lambda: False)
