"""Circumstances under which a server is started and lives: addresses, accounts, closed descriptors, groups of processes."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import APPS, EXPECTED, Behaviours, builds
from tests.e2e.e2e_client import PATIENCE_S, Client
from tests.support import processes, server
from tests.support.books import pool_of

WORKERS = 2


@pytest.fixture
def start(tmp_path: Path, wire: str) -> Iterator[Callable[..., Behaviours]]:
    """Return a function that starts a server of its own for a test."""
    with ExitStack() as stack:

        def run(*flags: str, root: Path = APPS / "behaviours", listen: str = "127.0.0.1:0") -> Behaviours:
            process = stack.enter_context(
                server.askr_serve(
                    *("--root", str(root), "--front", "pid.php", "--workers", str(WORKERS), "--wire", wire, *flags),
                    log=tmp_path / "askr.log",
                    declared=EXPECTED,
                    env={"ASKR_PHP": builds()[0], "TMPDIR": str(tmp_path)},
                    listen=listen,
                )
            )
            return Behaviours(process, "per-request", builds()[0], WORKERS, wire)

        yield run


def wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, after: str = "") -> None:
    """Have askr started by the shell words `words`, which the command follows, and then `after`."""
    script = tmp_path / "askr"
    script.write_text(f'#!/bin/sh\nexec {words} {shlex.join(server.askr_command())} "$@" {after}\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("ASKR_BIN", str(script))


def test_ipv6_from_one_end_to_the_other(start: Callable[..., Behaviours]) -> None:
    address = start(listen="[::1]:0")
    assert address.host == "::1"
    with Client(address) as client:
        seen = client.request("GET", "/server.php", {"Host": f"[::1]:{address.port}"}).json()
    assert seen["HTTP_HOST"] == f"[::1]:{address.port}"
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("[::1]", str(address.port))
    assert (seen["SERVER_ADDR"], seen["REMOTE_ADDR"]) == ("::1", "::1")


def test_a_client_of_ipv4_keeps_its_address_on_a_listener_of_ipv6(start: Callable[..., Behaviours]) -> None:
    port = urlsplit(start(listen="[::]:0").process.url).port
    with socket.create_connection(("127.0.0.1", port or 0), PATIENCE_S) as connection:
        connection.sendall(b"GET /server.php HTTP/1.0\r\nHost: a\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b'"REMOTE_ADDR":"127.0.0.1"' in answer.replace(b'": "', b'":"')


def are_two_without(address: Behaviours, victim: int) -> bool:
    return len(set(address.process.fronts()) - {victim}) == 2


def test_several_fronts_share_an_address_and_outlive_each_other(start: Callable[..., Behaviours]) -> None:
    address = start("--fronts", "2")
    address.expect_log(r"front \d was killed by SIGKILL")
    fronts = address.process.fronts()
    assert len(fronts) == 2
    for victim in fronts:
        os.kill(victim, signal.SIGSTOP)  # it accepts no more: what the kernel gives it waits in its queue
        address.wait_for(partial(processes.is_stopped, victim))
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(address)) for _ in range(40)]  # so many that it has some of them
            os.kill(victim, signal.SIGKILL)
            for client in clients:  # its successor has the queue
                assert client.get("/pid.php").status == 200
        address.wait_for(partial(are_two_without, address, victim))
    with pool_of(address.process.pid) as pool:
        address.wait_for(lambda: pool.books().are_balanced)


def test_a_second_server_on_the_same_address_does_not_start(start: Callable[..., Behaviours]) -> None:
    flags = ("--fronts", "2")
    address = start(*flags)
    words = [*server.askr_command(), "serve", "--root", str(APPS / "behaviours"), "--front", "pid.php", *flags]
    second = subprocess.run(
        [*words, "--listen", f"127.0.0.1:{address.port}"], capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "Address already in use" in second.stderr
    with Client(address) as client:
        assert client.get("/pid.php").status == 200


def test_a_front_that_was_stopped_for_good_does_not_hold_up_the_end(start: Callable[..., Behaviours]) -> None:
    address = start("--drain-timeout", "0.1")
    address.expect_log(r"did not finish in time", r"front 0 was killed by SIGKILL")
    os.kill(address.process.fronts()[0], signal.SIGSTOP)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "0<&- 1>&-"])
def test_standard_descriptors_may_be_closed(
    start: Callable[..., Behaviours], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    wrap(tmp_path, monkeypatch, "", closed)
    with Client(start("--access-log", "-")) as client:
        assert client.get("/pid.php").status == 200


def test_a_signal_to_the_whole_group_cuts_nothing(start: Callable[..., Behaviours], tmp_path: Path) -> None:
    address = start()
    gate = tmp_path / "gate"
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(WORKERS + 2)]  # two have to wait for a worker
        for client in clients:
            client.send("GET", f"/gate.php?gate={gate}")
        with pool_of(address.process.pid) as pool:
            address.wait_for(lambda: pool.books().exchanges["queued"] == 2)
        os.killpg(address.process.pid, signal.SIGTERM)  # as systemd does
        address.wait_for(lambda: "SIGTERM: stopping" in address.process.log_text())
        gate.touch()
        assert [client.receive().status for client in clients] == [200] * len(clients)


def test_a_killed_master_leaves_nothing(tmp_path: Path) -> None:
    running = server.askr_serve(
        *("--root", str(APPS / "behaviours"), "--front", "pid.php", "--workers", str(WORKERS)),
        log=tmp_path / "askr.log",
        declared=EXPECTED,
        env={"TMPDIR": str(tmp_path)},
    )
    killed = running.__enter__()
    family = processes.tree_of(killed.pid)
    address = Behaviours(killed, "per-request", builds()[0], WORKERS)
    with Client(address) as busy:
        busy.send("GET", f"/gate.php?gate={tmp_path / 'never'}")
        with pool_of(killed.pid) as pool:
            address.wait_for(lambda: pool.books().exchanges["running"] == 1)
        os.kill(killed.pid, signal.SIGKILL)
        with pytest.raises(ConnectionError):
            busy.receive()
    assert all(processes.wait_exit(pid, PATIENCE_S) for pid in family)
    assert [path.name for path in tmp_path.iterdir()] == ["askr.log"]
    with pytest.raises(AssertionError, match="exited with -9"):  # the judgement of a server that was not stopped
        running.__exit__(None, None, None)


def test_an_account_without_rights_can_serve(
    start: Callable[..., Behaviours], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become somebody else, and setpriv does it")
    somebody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    if subprocess.run([*somebody.split(), "test", "-r", server.askr_command()[0]], check=False).returncode != 0:
        pytest.skip("no other account may read this checkout: it lies in a private folder, such as /root")
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o711)
    wrap(tmp_path, monkeypatch, somebody)
    address = start()
    address.expect_log(r"was killed by SIGKILL")
    for victim in (*address.worker_pids(), *address.process.fronts()):
        os.kill(victim, signal.SIGKILL)
        assert processes.wait_exit(victim, PATIENCE_S)
    with Client(address) as client:
        assert client.request("POST", "/sha1.php", body=b"x" * 500_000).status == 200  # spooled


def test_a_log_that_cannot_be_opened_again_does_not_end_the_server(
    start: Callable[..., Behaviours], tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    address = start("--access-log", str(folder / "access"))
    address.expect_log(r"front 0 was killed", r"without the access log")
    shutil.rmtree(folder)
    (front,) = address.process.fronts()
    os.kill(front, signal.SIGKILL)
    assert processes.wait_exit(front, PATIENCE_S)
    with Client(address) as client:
        assert client.get("/pid.php").status == 200


def test_an_idle_server_does_nothing(start: Callable[..., Behaviours]) -> None:
    """Nobody wakes up: the voluntary switches of context stand still between two looks that a child of the test separates."""
    address = start()
    with Client(address) as client:
        assert client.get("/pid.php").status == 200

    def switches() -> dict[int, str]:
        pids = processes.tree_of(address.process.pid)
        return {pid: Path(f"/proc/{pid}/status").read_text().partition("voluntary_ctxt_switches:")[2] for pid in pids}

    def stand_still() -> bool:
        before = switches()
        select.select([], [], [], 0.5)
        return switches() == before

    assert processes.wait_until(stand_still, PATIENCE_S)
