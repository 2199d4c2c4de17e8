"""`--wire`: what serves, and where that is said."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import APPS, Behaviours, builds
from tests.e2e.e2e_client import PATIENCE_S, Client
from tests.support import server

ROOT = ("--root", str(APPS / "behaviours"), "--front", "pid.php", "--workers", "1")
WITHOUT_KERNEL = (
    "import sys; sys.modules['askr_http._kernel'] = None; from askr_cli.__main__ import main; sys.exit(main())"
)


@pytest.fixture
def without_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKR_BIN", shlex.join([sys.executable, "-c", WITHOUT_KERNEL]))


def serve_once(tmp_path: Path, *flags: str) -> str:
    """Serve a request with these flags and return the log."""
    with server.askr_serve(*ROOT, *flags, log=tmp_path / "log", env={"ASKR_PHP": builds()[0]}) as process:
        with Client(Behaviours(process, "per-request", builds()[0], 1)) as client:
            assert client.get("/pid.php").status == 200
        return process.log_text()


@pytest.mark.parametrize(("choice", "name"), [("auto", "native"), ("native", "native"), ("pure", "pure")])
def test_the_start_line_names_the_wire(tmp_path: Path, choice: str, name: str) -> None:
    assert re.search(rf"askr serving http://\S+ .*wire={name}", serve_once(tmp_path, "--wire", choice))


@pytest.mark.usefixtures("without_kernel")
def test_without_a_kernel_the_pure_wire_serves(tmp_path: Path) -> None:
    log = serve_once(tmp_path)
    assert "the pure wire serves, because the native one cannot be loaded" in log
    assert "wire=pure" in log


@pytest.mark.usefixtures("without_kernel")
def test_without_a_kernel_a_native_wire_is_a_failed_start() -> None:
    done = subprocess.run(
        [*server.askr_command(), "serve", *ROOT, "--wire", "native", "--listen", "127.0.0.1:0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(r"askr: the native wire cannot be loaded: .*; build it with .*\n", done.stderr)


@pytest.mark.parametrize("flag", ["--max-connections", "--max-connections-per-address"])
def test_one_connection_too_many_is_told_so_and_closed(tmp_path: Path, wire: str, flag: str) -> None:
    running = server.askr_serve(*ROOT, "--wire", wire, flag, "2", log=tmp_path / "log", env={"ASKR_PHP": builds()[0]})
    with running as process, contextlib.ExitStack() as stack:
        address = Behaviours(process, "per-request", builds()[0], 1)
        welcome = [stack.enter_context(Client(address)) for _ in range(2)]
        assert [client.get("/pid.php").status for client in welcome] == [200, 200]
        with socket.create_connection((address.host, address.port), PATIENCE_S) as third:
            answer = b"".join(iter(partial(third.recv, 4096), b""))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in answer
        assert [client.get("/pid.php").status for client in welcome] == [200, 200]


def test_no_front_controller_is_404_for_what_no_file_answers(tmp_path: Path, wire: str) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.php").write_text("<?php echo 'b';")
    flags = ("--root", tmp_path, "--front", "", "--workers", "1", "--wire", wire)
    running = server.askr_serve(*flags, log=tmp_path / "log", env={"ASKR_PHP": builds()[0]})
    with running as process, Client(Behaviours(process, "per-request", builds()[0], 1)) as client:
        assert [client.get(path).status for path in ("/a.txt", "/b.php", "/c", "/")] == [200, 200, 404, 404]
        assert client.get("/c").body == b"askr: not found"
