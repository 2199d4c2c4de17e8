"""Askr, in per-request and in worker mode, over either wire, with the PHP that is built from source."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench import processes
from bench.paths import ASKR, SetupError
from bench.peers import ini
from bench.peers.base import ALL_SITES, PHP_SITES, START_S, Peer, Running, Setting, log_tail, spawned, wait_answers


@contextmanager
def _start(
    name: str, setting: Setting, *, is_worker_mode: bool, wire: str, extra: Sequence[str] = ()
) -> Iterator[Running]:
    ready, child_end = os.pipe()
    words = [ASKR, "serve", "--root", setting.site.root, "--listen", "127.0.0.1:0", "--ready-fd", str(child_end)]
    words += ["--workers", str(setting.executors), "--ini", ini.text(), "--log-format", "text"]
    words += ["--wire", wire, *extra]
    if is_worker_mode:
        words += ["--worker-script", setting.site.worker_script]
    if not setting.site.has_front:
        words += ["--front", ""]
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


def peer(name: str, title: str, *, is_worker_mode: bool, wire: str = "native", extra: Sequence[str] = ()) -> Peer:
    """Return an Askr; `extra` are further flags of `askr serve`."""
    return Peer(
        name,
        title,
        PHP_SITES if is_worker_mode else ALL_SITES,  # a worker script answers for what is not there
        lambda setting: _start(name, setting, is_worker_mode=is_worker_mode, wire=wire, extra=extra),
        serves_static=not is_worker_mode,
    )


PER_REQUEST = peer("askr", "Askr, per request", is_worker_mode=False)
WORKER = peer("askr-worker", "Askr, worker mode", is_worker_mode=True)
PURE_PER_REQUEST = peer("askr-pure", "Askr, per request, pure wire", is_worker_mode=False, wire="pure")
PURE_WORKER = peer("askr-pure-worker", "Askr, worker mode, pure wire", is_worker_mode=True, wire="pure")
