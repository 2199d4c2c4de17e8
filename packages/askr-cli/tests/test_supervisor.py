"""The supervisor with real forks and signals, and children that do nothing else than to live and die."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKE_MASTER = Path(__file__).with_name("fake_master.py")
TIMEOUT_S = 20.0


class Master:
    """A running fake master and what it has told so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.told: list[dict[str, Any]] = []
        self._buffer = b""

    def wait_for(self, key: str, count: int = 1) -> list[dict[str, Any]]:
        """Return what was told with `key`, once that are `count` or more."""
        until = time.monotonic() + TIMEOUT_S
        while len(found := [what for what in self.told if key in what]) < count:
            assert self.process.stdout is not None
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            assert data, f"no {key} x {count}: {self.told}\n{self.log.read_text()}"
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self.told += [json.loads(line) for line in lines]
        return found

    def living(self, key: str) -> dict[int, int]:
        """Return the last told pid by index, of fronts or workers."""
        return {what[key]: what["pid"] for what in self.told if key in what}

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end; return the exit code after a look at what it left behind."""
        (last,) = self.wait_for("end")
        code = self.process.wait(TIMEOUT_S)
        assert last == {"end": code, "leaked": [], "is_childless": True}
        for what in self.told:
            assert "pid" not in what or not is_alive(what["pid"])
        return code


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def fake_master(log: Path, **plan: object) -> Iterator[Master]:
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, str(FAKE_MASTER), json.dumps(plan)], stdout=subprocess.PIPE, stderr=stderr
        )
    try:
        yield Master(process, log)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_everything_starts_and_sigterm_ends_it_in_order(log: Path) -> None:
    with fake_master(log, fronts=2, workers=3) as master:
        master.wait_for("up")
        assert {what["parent"] for what in master.wait_for("worker", 3)} == {master.process.pid}
        master.send(signal.SIGTERM)
        assert master.end() == 0
        keys = [next(iter(what)) for what in master.told]
        assert keys.index("drain") > max(i for i, key in enumerate(keys) if key == "front_leaves")
        assert len([key for key in keys if key == "drain"]) == 3


def test_children_have_only_their_descriptors(log: Path) -> None:
    with fake_master(log, fronts=2, workers=1) as master:
        master.wait_for("up")
        pool_fds = 2
        for what in [*master.wait_for("front", 2), *master.wait_for("template")]:
            assert len(what["fds"]) == 3 + pool_fds + 1
        master.send(signal.SIGTERM)
        assert master.end() == 0


def test_a_killed_worker_is_repaired_and_replaced(log: Path) -> None:
    with fake_master(log) as master:
        master.wait_for("up")
        os.kill(master.living("worker")[1], signal.SIGKILL)
        assert master.wait_for("worker", 3)[-1]["worker"] == 1
        keys = [next(iter(what)) for what in master.told]
        assert keys.index("repaired_worker") < len(keys) - 1 - keys[::-1].index("worker")
        master.send(signal.SIGTERM)
        assert master.end() == 0
    assert "worker 1 was killed by SIGKILL" in log.read_text()


def test_killing_idle_workers_all_the_time_is_no_crash_loop(log: Path) -> None:
    with fake_master(log) as master:
        master.wait_for("up")
        for count in range(3, 23):
            master.wait_for("idle", count - 1)
            os.kill(master.living("worker")[0], signal.SIGKILL)
            master.wait_for("worker", count)
        master.send(signal.SIGTERM)
        assert master.end() == 0


def test_a_killed_front_is_repaired_and_replaced(log: Path) -> None:
    with fake_master(log, fronts=2) as master:
        master.wait_for("up")
        os.kill(master.living("front")[0], signal.SIGKILL)
        assert master.wait_for("front", 3)[-1]["front"] == 0
        assert master.wait_for("repaired_front") == [{"repaired_front": 0}]
        master.send(signal.SIGTERM)
        assert master.end() == 0


def test_workers_outlive_their_template_and_the_next_one_replaces_them(log: Path) -> None:
    with fake_master(log) as master:
        master.wait_for("up")
        before = master.living("worker")
        os.kill(master.wait_for("template")[0]["pid"], signal.SIGKILL)
        master.wait_for("template", 2)
        assert all(is_alive(pid) for pid in before.values())
        os.kill(before[0], signal.SIGKILL)
        master.wait_for("worker", 3)
        assert is_alive(before[1])
        master.send(signal.SIGTERM)
        assert master.end() == 0


def test_a_worker_that_its_template_could_not_announce_does_not_stay(log: Path) -> None:
    with fake_master(log, template="dies-unannounced", workers=3) as master:
        master.wait_for("up")
        workers = master.wait_for("worker", 3)
        assert len([what for what in workers if is_alive(what["pid"])]) == 3
        master.send(signal.SIGTERM)
        assert master.end() == 0


@pytest.mark.parametrize("lie", [(99, 0, 1), (12, 0, 1), (12, 4000, 1), (13, 1, 1), (1, 0, 0)])
def test_a_template_that_says_what_it_was_not_asked_is_replaced(log: Path, lie: tuple[int, int, int]) -> None:
    with fake_master(log, template="lies", lie=lie, workers=1) as master:
        master.wait_for("template", 2)
        master.wait_for("up")
        master.send(signal.SIGTERM)
        assert master.end() == 0
    assert "template 1 said what it was not asked, and is killed" in log.read_text()


def test_a_refused_fork_is_tried_again(log: Path) -> None:
    with fake_master(log, template="refuses-once") as master:
        master.wait_for("up")
        master.send(signal.SIGTERM)
        assert master.end() == 0
    assert "the kernel refused to fork worker" in log.read_text()


def test_a_boot_that_fails_ends_the_start(log: Path) -> None:
    with fake_master(log, template="fails") as master:
        assert master.end() == 1
    assert "the application did not boot" in log.read_text()


@pytest.mark.parametrize("who", ["worker", "front"])
def test_a_crash_loop_ends_the_master(log: Path, who: str) -> None:
    with fake_master(log, **{who: "crash"}) as master:
        assert master.end() == 1
        assert 12 <= len(master.wait_for(who)) <= 16  # max(3 x 4, 10), and those under way
    assert "crash loop: 12 processes ended at once" in log.read_text()


def test_a_template_that_does_not_boot_again_ends_the_master(log: Path) -> None:
    with fake_master(log, template="fails-later") as master:
        master.wait_for("up")
        os.kill(master.wait_for("template")[0]["pid"], signal.SIGKILL)
        assert master.end() == 1


def test_sigterm_in_a_crash_loop_ends_the_master(log: Path) -> None:
    with fake_master(log, worker="crash", workers=40, term_after_forks=5) as master:
        assert master.end() == 0


def test_sigterm_while_the_application_boots(log: Path) -> None:
    with fake_master(log, template="boot-hangs", drain_s=60) as master:
        master.wait_for("template")
        master.wait_for("front")
        master.send(signal.SIGTERM)
        assert master.end() == 0


def test_sigterm_while_a_worker_boots(log: Path) -> None:
    with fake_master(log, worker="boot-hangs", drain_s=60) as master:
        master.wait_for("worker", 2)
        master.send(signal.SIGTERM)
        assert master.end() == 0


@pytest.mark.parametrize("who", ["worker", "front"])
def test_who_does_not_leave_in_time_is_killed(log: Path, who: str) -> None:
    with fake_master(log, drain_s=0.05, **{who: "hang"}) as master:
        master.wait_for("up")
        master.send(signal.SIGTERM)
        assert master.end() == 0
    assert f"{who} 0 did not finish in time and is killed" in log.read_text()


@pytest.mark.parametrize(("who", "sign"), [("worker", "hanging"), ("front", "front_leaves")])
def test_a_second_sigint_hurries(log: Path, who: str, sign: str) -> None:
    with fake_master(log, drain_s=600, **{who: "hang"}) as master:
        master.wait_for("up")
        master.send(signal.SIGINT)
        master.wait_for(sign)
        master.send(signal.SIGINT)
        assert master.end() == 0


def test_sighup_is_survived(log: Path) -> None:
    with fake_master(log) as master:
        master.wait_for("up")
        master.send(signal.SIGHUP)
        os.kill(master.living("worker")[0], signal.SIGKILL)
        master.wait_for("worker", 3)
        master.send(signal.SIGTERM)
        assert master.end() == 0
    assert "reload is not available in this version" in log.read_text()


def test_orphans_of_applications_are_waited_for(log: Path) -> None:
    with fake_master(log, front="orphan") as master:
        master.wait_for("up")
        (orphan,) = master.wait_for("orphan")
        until = time.monotonic() + TIMEOUT_S
        while Path(f"/proc/{orphan['orphan']}").exists():  # until somebody has waited for it
            assert time.monotonic() < until
            select.select([], [], [], 0.01)
        master.send(signal.SIGTERM)
        assert master.end() == 0


def test_a_bug_in_a_child_is_logged_with_its_traceback(log: Path) -> None:
    with fake_master(log, front="raises") as master:
        assert master.end() == 1
    assert "RuntimeError: a front's bug" in log.read_text()


def test_nothing_outlives_a_killed_master(log: Path) -> None:
    with fake_master(log, fronts=2) as master:
        master.wait_for("up")
        master.send(signal.SIGKILL)
        assert master.process.stdout is not None
        until = time.monotonic() + TIMEOUT_S
        while select.select([master.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
            if not os.read(master.process.stdout.fileno(), 65536):
                return  # everybody who could write is gone
        pytest.fail("somebody still holds the pipe")
