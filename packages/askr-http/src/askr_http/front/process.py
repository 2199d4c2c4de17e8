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
from typing import TYPE_CHECKING, Any, Final, NoReturn

import uvloop

from askr_http.cgi import CgiPolicy
from askr_http.front.access_log import AccessLog
from askr_http.front.context import FrontContext, Spawn
from askr_http.front.handler import FrontHandler
from askr_http.front.origin import PhpOrigin
from askr_http.front.pure_front import PureFront
from askr_http.front.spec import FrontSpec
from askr_http.front.tree import DocumentRoot
from askr_http.limits import Limits
from askr_http.wires import choose_wire

if TYPE_CHECKING:
    from askr_http.front.native_front import NativeFront  # needs the kernel

log = logging.getLogger("askr.front")

_OTHER_FILES: Final = 64
_LEAST_FILES: Final = 16  # that a native wire keeps open


def main(spec: FrontSpec) -> NoReturn:
    """Serve until SIGTERM, drain, and leave with 0; runs in a process that the master forked for it.

    Raises:
        SystemExit: Always.
        OSError: The document root cannot be opened, or the native wire not made.
        WireUnavailableError: The native wire was asked for and cannot be loaded.
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
    is_native = choose_wire(spec.wire) == "native"
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
        # Not anyio's, whose start_soon costs as much as parsing a request does (100 of 320 µs in all, with the pure wire).
        async with asyncio.TaskGroup() as tasks:
            running: set[asyncio.Task[None]] = set()

            def spawn(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
                task = tasks.create_task(function())
                running.add(task)
                task.add_done_callback(running.discard)

            front = _make_front(spec, FrontHandler(spec, root, origin), spawn, access_log, is_native=is_native)
            try:
                front.open()
                _say_ready(spec.ready_fd)
                await stop.wait()
                await front.drain(spec.limits.drain_timeout_s)
            finally:
                front.close()
            for task in list(running):
                task.cancel()
    finally:
        origin.close()
        root.close()
        if access_log is not None:
            access_log.close()


def _make_front(
    spec: FrontSpec, handler: FrontHandler, spawn: Spawn, access_log: AccessLog | None, *, is_native: bool
) -> PureFront | NativeFront:
    limits = _affordable(spec.limits, is_native=is_native)
    if not is_native:
        return PureFront(FrontContext(limits, handler, spawn, access_log), spec.listener_fds)
    from askr_http.front.native_front import NativeFront, WireLog

    wire_log = None if access_log is None else WireLog(access_log)
    return NativeFront(FrontContext(limits, handler, spawn, wire_log), spec, wire_log)


def _maybe_access_log(path: str | None) -> AccessLog | None:
    """Return the access log; requests matter more than lines about them, so one that cannot be opened is done without."""
    if path is None:
        return None
    try:
        return AccessLog(path)
    except OSError as error:
        log.error("serving without the access log %s: %s", path, error.strerror)  # noqa: TRY400 - where in our code says nothing
        return None


def _affordable(limits: Limits, *, is_native: bool) -> Limits:
    """Return limits with no more connections than there are descriptors for.

    On the pure wire each may have a file beside it. The native one keeps files once for all, and a connection has a second descriptor only
    where its response waits on disk, or on its way from one thread to the other.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = max(_LEAST_FILES, min(limits.open_files, soft // 8)) if is_native else 0
    left = soft - _OTHER_FILES - open_files
    connections = min(limits.connections, max(1, left * 3 // 4 if is_native else left // 2))
    if connections < limits.connections:
        log.info("open files are limited to %d: %d connections instead of %d", soft, connections, limits.connections)
    return replace(limits, connections=connections, open_files=open_files)


def _leave_to_master() -> None:
    """Ctrl-C reaches the whole process group; the master says what it means."""


def _say_ready(fd: int | None) -> None:
    if fd is not None:
        os.write(fd, b"\n")
        os.close(fd)
