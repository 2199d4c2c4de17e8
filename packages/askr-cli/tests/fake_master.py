"""A master whose children are trivial: the real supervisor, real forks, a fake pool. Run by test_supervisor as a process of its own.

    fake_master.py '{"fronts": 1, "workers": 2, "worker": "serve", ...}'

Standard output tells what happens, one JSON object per line; children write there too.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from askr_cli import logs
from askr_cli.master.children import become_subreaper, fork_child
from askr_cli.master.places import WorkerView
from askr_cli.master.supervisor import Supervisor
from askr_cli.master.template_link import ANSWER, COMMAND, Op

CLONE_PARENT = 0x8000
SYS_CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
libc = ctypes.CDLL(None)
plan: dict[str, Any] = {
    "fronts": 1,
    "workers": 2,
    "front": "serve",
    "worker": "serve",
    "template": "serve",
    "drain_s": 5.0,
}
plan.update(json.loads(sys.argv[1]))
master_pid = os.getpid()
generations = mmap.mmap(-1, 8)  # how many templates there were


def tell(**what: object) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def open_files() -> list[int]:
    names = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    return sorted(fd for fd in names if Path(f"/proc/self/fd/{fd}").exists())


class FakePool:
    def __init__(self, workers: int) -> None:
        self.master_eventfd = os.eventfd(0, os.EFD_NONBLOCK)
        self.doorbells = [os.eventfd(0) for _ in range(workers)]
        self.is_up = mmap.mmap(-1, workers)

    def view(self, worker: int) -> WorkerView:
        return WorkerView(bool(self.is_up[worker]), 0)

    def drain(self, worker: int) -> None:
        tell(drain=worker)
        os.eventfd_write(self.doorbells[worker], 1)

    def worker_died(self, worker: int) -> int | None:
        tell(repaired_worker=worker)
        self.is_up[worker] = 0
        return 0

    def front_died(self, front: int) -> int | None:
        tell(repaired_front=front)
        return 0

    def fds(self) -> set[int]:
        return {self.master_eventfd, *self.doorbells}


pool = FakePool(plan["workers"])


def be_worker(index: int) -> NoReturn:
    libc.prctl(1, int(signal.SIGKILL), 0, 0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tell(worker=index, pid=os.getpid(), parent=os.getppid())
    if plan["worker"] == "crash":
        os._exit(3)
    if plan["worker"] == "boot-hangs":
        signal.pause()
    pool.is_up[index] = 1
    os.eventfd_write(pool.master_eventfd, 1)
    tell(idle=index)
    os.eventfd_read(pool.doorbells[index])
    if plan["worker"] == "hang":
        tell(hanging=index)
        while True:
            signal.pause()
    os._exit(0)


def be_template(control_fd: int) -> NoReturn:
    generation = generations[0] = generations[0] + 1
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(template=generation, pid=os.getpid(), fds=open_files())
    if plan["template"] == "fails" or (plan["template"] == "fails-later" and generation > 1):
        os._exit(70)
    if plan["template"] == "boot-hangs":
        while True:
            signal.pause()
    control = socket.socket(fileno=control_fd)
    control.send(ANSWER.pack(Op.READY, 0, 0))
    if plan["template"] == "lies" and generation == 1:
        control.send(ANSWER.pack(*plan["lie"]))
    forks = 0
    while True:
        op, index = COMMAND.unpack(control.recv(64) or COMMAND.pack(Op.STOP, 0))
        if op == Op.STOP:
            os._exit(0)
        if plan["template"] == "refuses-once" and forks == 0:
            forks = 1
            control.send(ANSWER.pack(Op.FAILED, index, 11))
            continue
        pid = libc.syscall(SYS_CLONE, CLONE_PARENT | int(signal.SIGCHLD), None, None, None, None)
        if pid == 0:
            control.close()
            be_worker(index)
        forks += 1
        if plan["template"] == "dies-unannounced" and generation == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        control.send(ANSWER.pack(Op.FORKED, index, pid))
        if plan.get("term_after_forks") == forks:
            os.kill(master_pid, signal.SIGTERM)


def be_front(index: int, ready_fd: int) -> NoReturn:
    tell(front=index, pid=os.getpid(), fds=open_files())
    if plan["front"] == "crash":
        sys.exit(4)
    if plan["front"] == "raises":
        raise RuntimeError("a front's bug")
    if plan["front"] == "orphan" and os.fork() == 0:
        if os.fork() == 0:
            tell(orphan=os.getpid())
        os._exit(0)
    blocked = {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    os.write(ready_fd, b"\n")
    os.close(ready_fd)
    signal.sigwait(blocked)
    tell(front_leaves=index)
    if plan["front"] == "hang":
        while True:
            signal.pause()
    sys.exit(0)


class Launcher:
    def front(self, index: int, ready_fd: int) -> int:
        return fork_child(lambda: be_front(index, ready_fd), name="front", keep={*pool.fds(), ready_fd})

    def template(self, control_fd: int) -> int:
        return fork_child(lambda: be_template(control_fd), name="template", keep={*pool.fds(), control_fd})


def main() -> int:
    logs.configure("text", "askr=debug")
    become_subreaper()
    before = open_files()
    supervisor = Supervisor(
        fronts=plan["fronts"],
        workers=plan["workers"],
        pool=pool,
        launcher=Launcher(),
        drain_timeout_s=plan["drain_s"],
        on_up=lambda: tell(up=True),
        on_stop=lambda: None,
    )
    code = supervisor.run()
    try:
        os.waitpid(-1, os.WNOHANG)
        is_childless = False
    except ChildProcessError:
        is_childless = True
    tell(end=code, leaked=sorted(set(open_files()) - set(before)), is_childless=is_childless)
    return code


if __name__ == "__main__":
    sys.exit(main())
