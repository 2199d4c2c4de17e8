"""The front's process: from the master's fork to the end of the drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final, NoReturn

import anyio
import uvloop

from askr_http.cgi import CgiPolicy
from askr_http.front.acceptor import Acceptor
from askr_http.front.access_log import AccessLog
from askr_http.front.context import FrontContext
from askr_http.front.handler import FrontHandler
from askr_http.front.origin import PhpOrigin
from askr_http.front.spec import FrontSpec
from askr_http.front.tree import DocumentRoot
from askr_http.limits import Limits

log = logging.getLogger("askr.front")

_OTHER_FILES: Final = 64
_BYE_S: Final = 1.0  # for what was cut at the end of the drain to be closed


def main(spec: FrontSpec) -> NoReturn:
    """Serve until SIGTERM, drain, and leave with 0; runs in a process that the master forked for it.

    Raises:
        SystemExit: Always.
        OSError: The document root cannot be opened.
    """
    gc.freeze()  # what the master made stays shared: the collector does not touch it
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(spec))
    sys.exit(0)


async def serve(spec: FrontSpec) -> None:
    """Serve until SIGTERM, and drain."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, _leave_to_master)
    root = DocumentRoot(spec.root, follows_symlinks=spec.follow_symlinks)
    access_log = _maybe_access_log(spec.access_log)
    sizes = spec.pool.spec
    origin = PhpOrigin(
        spec.pool.front(spec.index),
        CgiPolicy(os.fsencode(spec.root).rstrip(b"/"), spec.https),
        spec.limits,
        spec.spool_dir,
        most_uploads=max(1, sizes.exchanges // (2 * sizes.fronts)),
    )
    origin.open()
    try:
        async with anyio.create_task_group() as tasks:

            def spawn(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
                tasks.start_soon(function)

            context = FrontContext(_affordable(spec.limits), FrontHandler(spec, root, origin), spawn, access_log)
            acceptors = [Acceptor(context, fd) for fd in spec.listener_fds]
            for acceptor in acceptors:
                acceptor.open()
            _say_ready(spec.ready_fd)
            await stop.wait()
            for acceptor in acceptors:
                acceptor.close()
            await _drain(context, spec.limits.drain_timeout_s)
            tasks.cancel_scope.cancel()
    finally:
        origin.close()
        root.close()
        if access_log is not None:
            access_log.close()


def _maybe_access_log(path: str | None) -> AccessLog | None:
    """Return the access log; requests matter more than lines about them, so one that cannot be opened is done without."""
    if path is None:
        return None
    try:
        return AccessLog(path)
    except OSError as error:
        log.error("serving without the access log %s: %s", path, error.strerror)  # noqa: TRY400 - where in our code says nothing
        return None


def _affordable(limits: Limits) -> Limits:
    """Return limits with no more connections than there are descriptors for, with one for a file beside each."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = min(limits.connections, max(1, (soft - _OTHER_FILES) // 2))
    if connections < limits.connections:
        log.info("open files are limited to %d: %d connections instead of %d", soft, connections, limits.connections)
    return replace(limits, connections=connections)


def _leave_to_master() -> None:
    """Ctrl-C reaches the whole process group; the master says what it means."""


def _say_ready(fd: int | None) -> None:
    if fd is not None:
        os.write(fd, b"\n")
        os.close(fd)


async def _drain(context: FrontContext, timeout_s: float) -> None:
    """Let requests in flight finish, and close the rest."""
    context.is_draining = True
    for connection in list(context.connections):
        connection.begin_drain()
    if not context.connections:
        return
    with anyio.move_on_after(timeout_s):
        await context.all_closed.wait()
    if not context.connections:
        return
    log.warning("%d connections were cut at the end of the drain", len(context.connections))
    for connection in list(context.connections):
        connection.abort(resets=True)
    with anyio.move_on_after(_BYE_S):
        await context.all_closed.wait()
