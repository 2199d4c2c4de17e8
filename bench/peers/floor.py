"""The floor as a peer: it answers everything with the very bytes of Askr's fixed 404."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench.client import request_bytes
from bench.floor.program import LOOPS, floor
from bench.paths import SetupError
from bench.peers import askr
from bench.peers.base import HOST, Peer, Running, Setting

ANSWER_S = 10.0
NAMES = {"epoll": "floor", **{loop: f"floor-{loop}" for loop in LOOPS[1:]}}
TITLES = {
    "epoll": "floor: recv and send over epoll",
    "io_uring": "floor: recv and send over io_uring",
    "io_uring-multishot": "floor: io_uring, multishot",
}


def fixed_answer(setting: Setting) -> bytes:
    """Return the bytes of Askr's answer to a path that is not there, from an Askr that is started for it.

    Raises SetupError when it answers with something else.
    """
    own = replace(setting, executors=1, folder=setting.folder / "askr")
    own.folder.mkdir(exist_ok=True)
    with askr.PER_REQUEST.start(own) as running, socket.create_connection((HOST, running.port), ANSWER_S) as connection:
        connection.sendall(request_bytes("/nothing"))
        answer = b""
        while not is_whole(answer):
            part = connection.recv(65536)
            if not part:
                break
            answer += part
    if not is_whole(answer) or not answer.startswith(b"HTTP/1.1 404 "):
        raise SetupError(f"Askr answers what is not there with {answer[:200]!r}")
    return answer


def is_whole(answer: bytes) -> bool:
    """Whether an answer has its head and as many bytes as its Content-Length says."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return False
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return len(lengths) == 1 and len(body) == int(lengths[0])


@contextmanager
def _start(setting: Setting, loop: str) -> Iterator[Running]:
    with floor(setting.folder, fixed_answer(setting), loop=loop) as found:
        yield Running(NAMES[loop], found.port, (found.pid,), executors=list, edges=lambda: [found.pid])


def _peer(loop: str) -> Peer:
    return Peer(NAMES[loop], TITLES[loop], frozenset({"bare"}), lambda setting: _start(setting, loop))


FLOORS = [_peer(loop) for loop in LOOPS]
