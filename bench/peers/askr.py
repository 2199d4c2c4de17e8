"""Askr, in per-request and in worker mode, with the PHP that is built from source."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

from bench import processes
from bench.paths import ASKR, SetupError
from bench.peers import ini
from bench.peers.base import ALL_SITES, START_S, Peer, Running, Setting, log_tail, spawned, wait_answers


@contextmanager
def _start(setting: Setting, *, is_worker_mode: bool) -> Iterator[Running]:
    name = "askr-worker" if is_worker_mode else "askr"
    ready, child_end = os.pipe()
    words = [ASKR, "serve", "--root", setting.site.root, "--listen", "127.0.0.1:0", "--ready-fd", str(child_end)]
    words += ["--workers", str(setting.executors), "--ini", ini.text(), "--log-format", "text"]
    if is_worker_mode:
        words += ["--worker-script", setting.site.worker_script]
    env = {"ASKR_PHP": os.environ.get("ASKR_PHP", "vendor")}
    with os.fdopen(ready, "rb") as pipe:
        try:
            server = spawned(words, setting, name=name, env=env, pass_fds=[child_end])
            with server as process:
                os.close(child_end)
                child_end = -1
                line = pipe.readline() if select.select([pipe], [], [], START_S)[0] else b""
                if not line:
                    raise SetupError(f"{name} was not ready after {START_S:.0f} s\n{log_tail(setting.folder)}")
                listener = json.loads(line)["listeners"][0]
                roots = (process.pid,)
                running = Running(
                    name,
                    listener["port"],
                    roots,
                    executors=lambda: processes.named(roots, "askr-worker"),
                    edges=lambda: processes.named(roots, "askr-front"),
                )
                wait_answers(running, setting, [process])
                yield running
        finally:
            if child_end >= 0:
                os.close(child_end)


PER_REQUEST = Peer("askr", "Askr, per request", ALL_SITES, lambda setting: _start(setting, is_worker_mode=False))
WORKER = Peer(
    "askr-worker",
    "Askr, worker mode",
    ALL_SITES,
    lambda setting: _start(setting, is_worker_mode=True),
    serves_static=False,
)
