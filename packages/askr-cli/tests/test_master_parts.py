"""The parts of the master that need no child: CPUs, listeners, the crash-loop guard, logs, the tables."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import socket
from pathlib import Path

import pytest

from askr_cli import logs
from askr_cli.master.cgroup import default_fronts, granted_cpus
from askr_cli.master.crashloop import CrashLoopGuard
from askr_cli.master.listeners import ListenError, bind_listener
from askr_cli.master.phases import SLOT_TRANSITIONS, STOPPING, TRANSITIONS, Event, Phase, SlotState
from askr_cli.values import Address

CGROUPS = [  # files below /, CPUs by affinity, expected
    ({}, 6, 6),
    ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 6, 6),
    ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 6, 2),
    ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 6, 2),
    ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "10000 100000\n"}, 6, 1),
    ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "800000 100000\n"}, 6, 6),
    ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 6, 3),
    ({"proc/self/cgroup": "0::/../outside\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 6, 4),
    (
        {
            "proc/self/cgroup": "5:cpuset:/\n4:cpu,cpuacct:/docker/x\n0::/y\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
        },
        6,
        3,
    ),
    (
        {
            "proc/self/cgroup": "4:cpu:/x\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        6,
        6,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("files", "affinity", "expected"), CGROUPS)
def test_cpus_are_those_that_the_cgroup_grants(
    tmp_path: Path, files: dict[str, str], affinity: int, expected: int
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert granted_cpus(tmp_path, affinity) == expected


def test_cpus_of_this_machine() -> None:
    assert 1 <= granted_cpus() <= len(os.sched_getaffinity(0))


def test_fronts_are_a_quarter_of_the_workers() -> None:
    assert [default_fronts(workers) for workers in (1, 2, 4, 6, 7, 8, 16, 64)] == [1, 1, 1, 2, 2, 2, 4, 16]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("fronts", [1, 2])
def test_a_listener_knows_its_port_and_a_taken_address_is_named(host: str, fronts: int) -> None:
    listener = bind_listener(Address(host, 0), fronts)
    try:
        assert listener.address.port > 0
        with pytest.raises(ListenError, match=r"cannot listen on .*: Address already in use \(.*--listen\)"):
            bind_listener(listener.address, fronts)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as client:
            client.connect(listener.address)
    finally:
        listener.close()


def test_connections_are_shared_out_among_the_sockets_of_an_address() -> None:
    listener = bind_listener(Address("127.0.0.1", 0), 4)
    servers = [socket.socket(fileno=fd) for fd in listener.fds]
    clients = [socket.create_connection(listener.address) for _ in range(200)]
    shares = []
    for server in servers:
        accepted = []
        with contextlib.suppress(BlockingIOError):
            while True:
                accepted.append(server.accept()[0])
        shares.append(len(accepted))
        for sock in accepted:
            sock.close()
    for sock in (*servers, *clients):
        sock.close()
    assert sum(shares) == 200
    assert min(shares) > 10  # 50 each on average: by chance 10 or fewer come once in 10^14 runs


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ListenError, match="does not have that address"):
        bind_listener(Address("192.0.2.1", 0), 1)


def test_the_guard_counts_quick_failures_only() -> None:
    guard = CrashLoopGuard(slots=2)
    for now in range(100):
        assert not guard.note_exit(code=0, age_s=0.1, was_ready=True, had_requests=True, now_mono=now)
        assert not guard.note_exit(code=-9, age_s=0.1, was_ready=True, had_requests=False, now_mono=now)
        assert not guard.note_exit(code=75, age_s=0.1, was_ready=True, had_requests=True, now_mono=now)
        assert not guard.note_exit(code=1, age_s=3.1, was_ready=True, had_requests=False, now_mono=now)
    for now in range(9):
        assert not guard.note_exit(code=-11, age_s=2.9, was_ready=True, had_requests=False, now_mono=100 + now)
    assert guard.note_exit(code=75, age_s=3, was_ready=True, had_requests=False, now_mono=110)


def test_the_guard_forgets_after_30_seconds_and_grows_with_the_slots() -> None:
    guard = CrashLoopGuard(slots=2)
    for now in range(0, 400, 4):
        assert not guard.note_exit(code=1, age_s=0, was_ready=False, had_requests=False, now_mono=now)
    large = CrashLoopGuard(slots=5)
    assert [large.note_exit(code=1, age_s=0, was_ready=True, had_requests=False, now_mono=0) for _ in range(15)] == [
        False
    ] * 14 + [True]


def test_a_boot_that_fails_late_counts() -> None:
    guard = CrashLoopGuard(slots=1)
    assert [guard.note_exit(code=70, age_s=60, was_ready=False, had_requests=False, now_mono=0) for _ in range(10)][-1]


def test_every_phase_comes_to_an_end() -> None:
    for start in Phase:
        phase, seen = start, set()
        while TRANSITIONS[phase]:
            assert phase not in seen
            seen.add(phase)
            event = Event.STOP if Event.STOP in TRANSITIONS[phase] else next(iter(TRANSITIONS[phase]))
            phase = TRANSITIONS[phase][event]
        assert phase is Phase.DONE
    assert Phase.SERVING not in STOPPING
    assert {state for row in SLOT_TRANSITIONS.values() for state in row.values()} == set(SlotState)


FILTERS = [
    ("askr=info", {"askr": logging.INFO}),
    ("warn", {"": logging.WARNING}),
    ("warn,askr::master=trace", {"": logging.WARNING, "askr.master": logging.DEBUG}),
    ("askr", {"askr": logging.DEBUG}),
    ("ERROR, askr = off".replace(" = ", "="), {"": logging.ERROR, "askr": logging.CRITICAL + 10}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "levels"), FILTERS)
def test_log_filters(text: str, levels: dict[str, int]) -> None:
    assert logs.parse_filter(text) == levels


@pytest.fixture
def clean_logging() -> object:
    root, ours = logging.getLogger(), logging.getLogger("askr")
    saved = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:], level, our_level = saved
    root.setLevel(level)
    ours.setLevel(our_level)


def test_logs_are_json_lines_or_text(clean_logging: object) -> None:
    for log_format in ("json", "text"):
        stream = io.StringIO()
        logs.configure(log_format, "askr=info", stream)
        logging.getLogger("askr.test").info("said %s", 'a "b"\nc', extra={"pid": 3, "root": "/a b"})
        logging.getLogger("askr.test").debug("not this")
        logging.getLogger("other").info("nor this")
        line = stream.getvalue()
        if log_format == "json":
            entry = json.loads(line)
            assert entry.pop("ts").endswith("Z")
            assert entry == {"level": "INFO", "target": "askr.test", "msg": 'said a "b"\nc', "pid": 3, "root": "/a b"}
        else:
            assert line.endswith('Z  INFO askr.test: said a "b"\nc pid=3 root="/a b"\n')
