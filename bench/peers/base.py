"""What a peer is: started for one site, it answers at an address, and its processes are known."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes
from bench.client import ConnectionBroken, ask_once, request_bytes
from bench.paths import SetupError

HOST = "127.0.0.1"
START_S = 60.0
STOP_S = 15.0


PHP_SITES = frozenset({"documents", "laravel", "laravel-uncached"})
ALL_SITES = PHP_SITES | {"bare"}


@dataclass(frozen=True)
class Site:
    """What is served: `probe` is a path that answers 200 when the server is up; without `has_front`, what no file answers is a 404."""

    name: str
    root: Path
    worker_script: Path
    probe: str
    base: Path
    env: Mapping[str, str] = field(default_factory=dict)
    has_front: bool = True


@dataclass(frozen=True)
class Setting:
    """How a peer is started: how many requests run PHP at the same time, and where its files go."""

    site: Site
    executors: int
    folder: Path


@dataclass(frozen=True)
class Running:
    """A peer that answers: its address, the processes that it was started as, and how to find those that run PHP and those that hold connections.

    `edges` finds none where both are one.
    """

    name: str
    port: int
    roots: tuple[int, ...]
    executors: Callable[[], list[int]]
    edges: Callable[[], list[int]]
    host: str = HOST

    def cpu_s(self) -> float:
        """CPU time used so far by all of its processes, in seconds."""
        return processes.cpu_s(self.roots)

    def memory(self) -> processes.Memory:
        """Memory of all of its processes."""
        return processes.memory(processes.tree(self.roots))


@dataclass(frozen=True)
class Peer:
    """A server that can be started for a site."""

    name: str
    title: str
    sites: frozenset[str]
    start: Callable[[Setting], AbstractContextManager[Running]]
    serves_static: bool = True


@contextmanager
def listening(host: str = HOST) -> Iterator[socket.socket]:
    """A socket that listens on a port of the kernel's choice, for a child to take over: no port is guessed."""
    with socket.socket() as found:
        found.bind((host, 0))
        found.listen(1024)
        yield found


@contextmanager
def spawned(
    words: Sequence[object],
    setting: Setting,
    *,
    name: str,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """A child of `words` (text or paths) whose output goes to a log in the setting's folder; stopped at the end, with force if it stays.

    Raises SetupError when it cannot be started.
    """
    with (setting.folder / f"{name}.log").open("ab") as log:
        try:
            process = subprocess.Popen(
                [*map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=setting.site.base,
                env={**os.environ, **setting.site.env, **(env or {})},
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )
        except OSError as error:
            raise SetupError(f"{words[0]}: {error.strerror}") from error
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own session, so nothing else is in the group
            process.wait()


def wait_answers(running: Running, setting: Setting, alive: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until the site's probe is answered with 200.

    Raises SetupError when a process ends or the time is up.
    """
    deadline, last = time.monotonic() + START_S, "no answer"
    while time.monotonic() < deadline:
        for process in alive:
            if process.poll() is not None:
                raise SetupError(f"{running.name} ended with {process.returncode}\n{log_tail(setting.folder)}")
        try:
            answer = ask_once(running.host, running.port, request_bytes(setting.site.probe))
        except ConnectionBroken as error:
            last = str(error)
        else:
            if answer.status == 200:
                return
            last = f"status {answer.status}"
        time.sleep(0.05)
    raise SetupError(f"{running.name} does not answer {setting.site.probe}: {last}\n{log_tail(setting.folder)}")


def log_tail(folder: Path, lines: int = 15) -> str:
    """Return the last lines of each log in a folder."""
    parts = []
    for path in sorted(folder.glob("*.log")):
        parts += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-lines:]]
    return "\n".join(parts)


@contextmanager
def started(peer: Peer, site: Site, executors: int, folder: Path) -> Iterator[Running]:
    """A peer that serves `site`; its files are in a folder of its own below `folder`."""
    own = folder / f"{peer.name}-{site.name}"
    own.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield stack.enter_context(peer.start(Setting(site, executors, own)))
