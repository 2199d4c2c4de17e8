"""`askr serve`: from a command line to a running master."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from askr_cli import logs
from askr_cli.config_file import ConfigError
from askr_cli.master.cgroup import default_fronts, granted_cpus
from askr_cli.master.children import become_subreaper, raise_open_files
from askr_cli.master.listeners import Listener, ListenError, bind_listener
from askr_cli.resolve import Places, find_places, resolve_settings
from askr_http.wires import WireUnavailableError, choose_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from askr_cli.options import Settings
    from askr_http.wires import WireName

log = logging.getLogger("askr")

SPOOL_STRIDE_BYTES = 1 << 30  # room in the spool file for one body, at least


def serve(flags: Mapping[str, Any], environment: Mapping[str, str]) -> int:
    """Serve until told to stop; return the exit code."""
    try:
        settings = resolve_settings(flags, environment)
        logs.configure(settings.log_format, settings.log_filter)
    except ConfigError as error:
        print(f"askr: {error}", file=sys.stderr)
        return 1
    try:
        places = find_places(settings)
        wire = choose_wire(settings.wire)
        _check_access_log(settings)
        _check_ready_fd(settings)
        workers = settings.workers or granted_cpus()
        fronts = settings.fronts or default_fronts(workers)
        listener = bind_listener(settings.listen, fronts)
    except (ConfigError, ListenError, WireUnavailableError) as error:
        _tell_failure(settings, str(error))
        return 1
    with contextlib.ExitStack() as listening:
        listening.callback(listener.close)
        return _supervise(settings, places, wire, listener, listening, workers=workers, fronts=fronts)


def _supervise(
    settings: Settings,
    places: Places,
    wire: WireName,
    listener: Listener,
    listening: contextlib.ExitStack,
    *,
    workers: int,
    fronts: int,
) -> int:
    from askr_cli.master.launcher import ProcessLauncher
    from askr_cli.master.pool_port import ShmPoolPort
    from askr_cli.master.supervisor import Supervisor
    from askr_shm.pool import Pool, PoolSpec

    if places.app_base is not None:
        os.environ["ASKR_APP_BASE"] = places.app_base
    open_files = raise_open_files()
    become_subreaper()
    if os.geteuid() == 0:
        log.info("running as root, and so does the application: give it an account of its own where it matters")
    spool_stride = max(SPOOL_STRIDE_BYTES, -(-settings.max_body_size // 4096) * 4096)
    try:
        pool = Pool.create(PoolSpec(fronts=fronts, workers=workers, spool_stride_bytes=spool_stride))
    except OSError as error:
        _tell_failure(settings, f"no shared memory, or no spool file in TMPDIR: {error.strerror or error}")
        return 1
    with contextlib.closing(pool):
        supervisor = Supervisor(
            fronts=fronts,
            workers=workers,
            pool=ShmPoolPort(pool),
            launcher=ProcessLauncher(settings, places, pool, wire, (listener,), open_files),
            drain_timeout_s=settings.drain_timeout_s,
            on_up=lambda: _announce(settings, places, listener, wire=wire, workers=workers, fronts=fronts),
            on_stop=listening.close,  # who connects now is refused, instead of waiting in a queue until we are gone
        )
        code = supervisor.run()
    if code == 0:
        log.info("askr stopped")
    return code


def _check_access_log(settings: Settings) -> None:
    """Find out now, and not in a front, whether the access log can be written."""
    if settings.access_log in {None, "-"}:
        return
    # O_NONBLOCK: a named pipe that nobody reads is an error, and not waited for.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        os.close(os.open(str(settings.access_log), flags, 0o640))
    except OSError as error:
        message = f"cannot write the access log {settings.access_log}: {error.strerror} (--access-log or [server] access_log names it)"
        raise ConfigError(message) from None


def _check_ready_fd(settings: Settings) -> None:
    if settings.ready_fd is None:
        return
    try:
        os.fstat(settings.ready_fd)
    except OSError as error:
        message = f"--ready-fd {settings.ready_fd}: {error.strerror}"
        raise ConfigError(message) from None


def _announce(
    settings: Settings, places: Places, listener: Listener, *, wire: WireName, workers: int, fronts: int
) -> None:
    """Tell whoever waits that everything is up: the log, a person at a terminal, and the ready descriptor last."""
    address = listener.address
    mode = "per-request" if places.worker_script is None else "worker"
    extra = {"mode": mode, "workers": workers, "fronts": fronts, "wire": wire, "root": places.root, "pid": os.getpid()}
    log.info("askr serving http://%s", address, extra=extra)
    if settings.ready_fd is None:
        if sys.stderr.isatty() and settings.log_format == "text":
            _greet(places, str(address), mode, wire, workers)
        return
    line = json.dumps(
        {
            "pid": os.getpid(),
            "listeners": [{"host": address.host, "port": address.port}],
            "workers": workers,
            "wire": wire,
        }
    )
    try:
        os.write(settings.ready_fd, f"{line}\n".encode())
    except OSError as error:
        log.warning("nobody reads the ready descriptor: %s", error.strerror)
    os.close(settings.ready_fd)


def _greet(places: Places, address: str, mode: str, wire: str, workers: int) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print()
    console.print(f"  [bold green]Askr[/] is serving [bold underline]http://{address}/[/]")
    console.print(
        f"  [dim]root[/] {places.root}   [dim]mode[/] {mode}   [dim]wire[/] {wire}   [dim]workers[/] {workers}"
    )
    console.print("  [dim]Ctrl+C stops it; requests in flight finish first.[/]")
    console.print()


def _tell_failure(settings: Settings, message: str) -> None:
    if settings.log_format == "json":
        log.error("%s", message)
    else:
        print(f"askr: {message}", file=sys.stderr)
