"""The server that the end-to-end tests talk to: real, in both modes, on each PHP that is built, over both wires."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from askr_php import kernel
from tests.support import processes, server

APPS = Path(__file__).parents[1] / "apps"
WORKERS = 4
PATIENCE_S = 30.0  # how long a test waits for an event that the server cannot announce
EXPECTED = (
    r"on purpose",
    r"thrown in .*/(exception|defer)\.php",
    r"Allowed memory size",
    r"interpreter ended inside a request",
    r"exited with code 75",
    r"left behind",
    r"swallowed|deferred work",
)  # what the scripts do to themselves


@dataclass
class Behaviours:
    """`tests/apps/behaviours` behind a real server, in one mode on one PHP."""

    process: server.Server
    mode: str
    php: str
    workers: int = WORKERS
    wire: str = "native"

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return str(urlsplit(self.process.url).hostname)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(urlsplit(self.process.url).port or 0)

    def worker_pids(self) -> set[int]:
        """Return the process ids of the workers."""
        return {pid for pid in processes.children_of(self.process.pid) if processes.command_name(pid) == "askr-worker"}

    def wait_for(self, is_true: Callable[[], bool]) -> None:
        """Wait until `is_true` holds."""
        assert processes.wait_until(is_true, PATIENCE_S)

    def expect_log(self, *patterns: str) -> None:
        """Declare warnings that the test causes."""
        self.process.declared.extend(patterns)


def builds() -> list[str]:
    """Return the PHP builds to test: the one that ASKR_PHP names, or all that are built."""
    return [os.environ["ASKR_PHP"]] if os.environ.get("ASKR_PHP") else list(kernel.available())


def wires() -> list[str]:
    """Return the wires to test: both with the first PHP that is built, the native one with every PHP, because PHP is behind both alike."""
    return ["native", "pure"] if builds()[0] == kernel.available()[0] else ["native"]


def variants() -> list[tuple[str, str, str]]:
    """Return PHP, mode and wire of each server that a module of tests shares."""
    modes = ("per-request", "worker")
    native = [(php, mode, "native") for php in builds() for mode in modes]
    return native + [(builds()[0], mode, wire) for wire in wires()[1:] for mode in modes]


@pytest.fixture(params=wires())
def wire(request: pytest.FixtureRequest) -> str:
    """The wire of a server that a test starts for itself."""
    return str(request.param)


@pytest.fixture(scope="module", params=variants(), ids="-".join)
def behaviours(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behaviours]:
    """A server for the scripts of `tests/apps/behaviours`, shared by the tests of a module and judged after the last one."""
    php, mode, wire = request.param
    worker = ("--worker-script", APPS / "worker.php") if mode == "worker" else ()
    with server.askr_serve(
        "--root", APPS / "behaviours", "--front", "pid.php", "--workers", str(WORKERS), "--wire", wire, *worker,
        log=tmp_path_factory.mktemp("log") / "askr.log",
        env={"ASKR_PHP": php, "ASKR_TEST_ENV": "from outside"},
        declared=EXPECTED,
    ) as process:  # fmt: skip
        yield Behaviours(process, mode, php, wire=wire)
