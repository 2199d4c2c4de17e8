"""Start a real `askr serve`, hand out its address, and judge it at the end.

    with askr_serve("--root", root, log=tmp_path / "askr.log") as server:
        ... server.url ...

At the end the server must leave with status 0 after SIGTERM, leave no process, have waited for its children, hold
no descriptor and no shared memory that it did not hold when it was ready, and have logged no warning that the test
did not declare. The command is `ASKR_BIN`, else `.venv/bin/askr`.
"""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
MARKER = "ASKR_TEST_RUN"
SETTLE_S = 5.0  # how long connections that the test closed may take to be closed on the other side
LOG_TAIL_LINES = 60
RESERVE = "/dev/null"  # libuv opens one with its first stream, to have a descriptor to give up when accept() finds none
WORRYING = re.compile(
    r"\b(warn|warning|error|critical|fatal|deprecated|exception|traceback|assertion|sanitizer|segfault|core dumped)\b",
    re.IGNORECASE,
)


def askr_command() -> list[str]:
    """Return the words that start askr."""
    return shlex.split(os.environ.get("ASKR_BIN") or str(REPOSITORY / ".venv/bin/askr"))


@dataclass
class Server:
    """A running server.

    `url` is the address of its first listener; `pid` is the master; `declared` are patterns (for `re.search`) of
    log lines that the test expects although they are warnings, and may grow while the test runs; `root` is the document root.
    """

    url: str
    pid: int
    log: Path
    declared: list[str] = field(default_factory=list)
    root: str = "/nowhere"

    def log_text(self) -> str:
        """Return what the server has written to standard error so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def fronts(self) -> list[int]:
        """Return the processes below the master that hold a listening socket."""
        listening = processes.listening_inodes()
        found = []
        for pid in processes.children_of(self.pid):
            try:
                held = set(processes.descriptors_of(pid).values())
            except (FileNotFoundError, ProcessLookupError):
                continue
            if held & listening:
                found.append(pid)
        return found


@dataclass(frozen=True)
class Holdings:
    """What the long-lived processes of a server hold: descriptors by process, and the master's shared memory."""

    descriptors: dict[int, dict[int, str]]
    memory_files: int

    @classmethod
    def of(cls, server: Server) -> Holdings:
        """Look at the master and the fronts. Workers are left out: what an application keeps open is its own affair.

        A front keeps files of the document root open, each of them once; a second descriptor of one counts.
        """
        held: dict[int, dict[int, str]] = {}
        for pid in (server.pid, *server.fronts()):
            cached: set[str] = set()
            held[pid] = counted = {}
            for fd, what in processes.descriptors_of(pid).items():
                if what.startswith(f"{server.root}/") and what not in cached:
                    cached.add(what)
                elif what != RESERVE:
                    counted[fd] = what
        return cls(held, processes.memory_files_of(server.pid))

    def excess_over(self, before: Holdings) -> list[str]:
        """Return a sentence for everything that is held now and was not before; respawned processes do not count."""
        found = [
            f"{processes.describe(pid)} holds {len(now)} descriptors, {len(then)} when it was ready: {sorted((Counter(now.values()) - Counter(then.values())).elements())}"
            for pid, now in self.descriptors.items()
            if len(now) > len(then := before.descriptors.get(pid, now))
        ]
        if self.memory_files > before.memory_files:
            found.append(f"the master maps {self.memory_files} memory files, {before.memory_files} when it was ready")
        return found


def undeclared(text: str, declared: Sequence[str]) -> list[str]:
    """Return the lines of a log that warn of something no pattern of `declared` expects."""
    return [
        line for line in text.splitlines() if WORRYING.search(line) and not any(re.search(p, line) for p in declared)
    ]


@contextmanager
def askr_serve(
    *arguments: str | Path,
    log: Path,
    declared: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = 20.0,
    listen: str = "127.0.0.1:0",
) -> Iterator[Server]:
    """Run `askr serve` with `arguments` for as long as the block lasts, then judge it as this module says.

    When the block raises, the server is stopped and its log shown, and the block's exception is what counts.
    """
    run = uuid.uuid4().hex
    ready, child_end = os.pipe()
    words = [*askr_command(), "serve", "--listen", listen, "--ready-fd", str(child_end), *map(str, arguments)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[child_end],
            cwd=cwd,
            env={**os.environ, **(env or {}), MARKER: run},
            start_new_session=True,
        )
    os.close(child_end)
    try:
        with os.fdopen(ready, "rb") as pipe:
            is_readable = bool(select.select([pipe], [], [], timeout_s)[0])
            line = pipe.readline() if is_readable else b""
        assert is_readable, f"{shlex.join(words)}\nwas not ready after {timeout_s} s\n{_tail(log)}"
        assert line, f"{shlex.join(words)}\nexited with {process.wait(timeout_s)}\n{_tail(log)}"
        listener = json.loads(line)["listeners"][0]
        host = f"[{listener['host']}]" if ":" in listener["host"] else listener["host"]
        server = Server(f"http://{host}:{listener['port']}", process.pid, log, list(declared), _root_of(arguments))
        before = Holdings.of(server)
        yield server
        complaints = _judge_running(server, before)
    except BaseException:
        _stop(process, run, timeout_s)
        print(_tail(log))
        raise
    complaints += _stop(process, run, timeout_s)
    complaints += [f"undeclared in the log: {line}" for line in undeclared(server.log_text(), server.declared)]
    assert not complaints, "\n".join([*complaints, _tail(log)])


def _root_of(arguments: Sequence[str | Path]) -> str:
    words = list(map(str, arguments))
    return os.path.realpath(words[words.index("--root") + 1]) if "--root" in words else "/nowhere"


def _judge_running(server: Server, before: Holdings) -> list[str]:
    complaints = []
    if not processes.wait_until(lambda: not processes.zombies_below(server.pid), SETTLE_S):
        complaints.append(f"the master did not wait for {processes.zombies_below(server.pid)}")
    if not processes.wait_until(lambda: not Holdings.of(server).excess_over(before), SETTLE_S):
        complaints += Holdings.of(server).excess_over(before)
    return complaints


def _stop(process: subprocess.Popen[bytes], run: str, timeout_s: float) -> list[str]:
    complaints = []
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        complaints.append(f"askr did not drain within {timeout_s} s")
    else:
        if status != 0:
            complaints.append(f"askr exited with {status} after SIGTERM")
    left = [pid for pid in processes.pids_with_environment(f"{MARKER}={run}") if not processes.wait_exit(pid, 1.0)]
    if left:
        complaints.append(f"left behind: {', '.join(map(processes.describe, left))}")
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    return complaints


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"--- {log}, last {LOG_TAIL_LINES} lines", *lines[-LOG_TAIL_LINES:]])
