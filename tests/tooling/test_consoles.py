"""Console blocks are executed: every command line of every document, in its order, with the server of `make serve` in between."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import processes
from tests.tooling.test_documents import CHECKOUT, FENCE, documents

ENVIRONMENT = {**os.environ, "PATH": f"{CHECKOUT / '.venv/bin'}:{os.environ['PATH']}"}  # what the reader has activated
PATIENCE_S = 600.0  # the first `make serve` of a checkout installs and builds
NOT_HERE = {"make test": "it would start itself"}


def consoles() -> list[object]:
    """Return the console blocks of each document that has some."""
    found: list[object] = []
    for path in documents():
        lines = [
            line.removeprefix("$ ")
            for match in FENCE.finditer(path.read_text(encoding="utf-8"))
            if match[1] == "console"
            for line in match[2].splitlines()
            if line.startswith("$ ")
        ]
        if lines:
            found.append(pytest.param(lines, id=str(path.relative_to(CHECKOUT))))
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
        return bool(response.status == 200)
    return False


@contextlib.contextmanager
def serving(command: str, port: int, log: Path) -> Iterator[None]:
    """Run a command that serves until it is stopped."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {command} LISTEN=127.0.0.1:{port}"],
            cwd=CHECKOUT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        up = processes.wait_until(lambda: answers(port) or server.poll() is not None, PATIENCE_S)
        assert up and server.poll() is None, log.read_text()  # noqa: PT018 - one sentence: it is up and has not ended
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENCE_S)


@pytest.mark.parametrize("lines", consoles())
def test_every_command_of_a_document_works(lines: list[str], tmp_path: Path) -> None:
    port = free_port()
    with contextlib.ExitStack() as servers:
        for line in lines:
            if line in NOT_HERE:
                continue
            if line.startswith("make serve"):
                servers.enter_context(serving(line, port, tmp_path / "serve.log"))
                continue
            command = re.sub(r"\b(localhost|127\.0\.0\.1):8000\b", f"127.0.0.1:{port}", line)
            words = ["bash", "-c", command]
            done = subprocess.run(words, cwd=CHECKOUT, env=ENVIRONMENT, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            assert done.stdout, f"{line} printed nothing"
