"""Clients that take their time, in one thread and one process of their own: heads and bodies byte by byte, answers in sips.

    python -m bench.slow_clients PORT COUNT

prints a line of JSON when all are under way, and another one at SIGTERM.

Each client acts once a second: 2,000 of them cost about a fiftieth of a CPU, so that it is the server that is measured and not this.
"""

from __future__ import annotations

import errno
import json
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from bench.client import request_bytes
from bench.crowd import allow_descriptors, connected
from bench.documents import FORM

TICKS_PER_S = 50
SIP_BYTES = 2048
RECEIVE_BYTES = 16 * 1024  # of a slow reader, so that what it does not read stays with the server
HEAD = (request_bytes("/hello.php")[:-2] + b"X-Slow: " + b"x" * 2000).ljust(2100, b"x")
BODY_HEAD = request_bytes("/json.php", method="POST", body=b"a=1", media_type=FORM)
BODY = BODY_HEAD.replace(b"Content-Length: 3", b"Content-Length: 2000").removesuffix(b"a=1")
READS = (request_bytes("/10m.bin"), request_bytes("/large.php"))


@dataclass
class Tally:
    """What the clients did so far: bytes sent and sips taken, connections opened again after the server had closed them."""

    sent: int = 0
    sips: int = 0
    opened_again: int = 0
    cpu_s: float = 0.0


class Client:
    """One slow client; `kind` is head, body or read."""

    def __init__(self, port: int, turn: int, kind: str) -> None:
        self._port = port
        self._turn = turn
        self._kind = kind
        self._at = 0
        self._socket = self._open()

    def act(self, tally: Tally) -> None:
        """Do what is due once a second; a connection that was closed is opened anew."""
        try:
            is_open = self._sip(tally) if self._kind == "read" else self._drip(tally)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in {errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED, errno.ETIMEDOUT}:
                raise
            is_open = False
        if not is_open:
            self._socket.close()
            tally.opened_again += 1
            self._socket = self._open()

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def _open(self) -> socket.socket:
        found = connected(self._port, self._turn, receive_bytes=RECEIVE_BYTES if self._kind == "read" else 0)
        self._at = 0
        if self._kind == "read":
            found.sendall(READS[self._turn % len(READS)])
        elif self._kind == "body":
            found.sendall(BODY)
        found.setblocking(False)
        return found

    def _drip(self, tally: Tally) -> bool:
        # One byte for a body, one more of the head: never the whole.
        tally.sent += self._socket.send(HEAD[self._at : self._at + 1] if self._kind == "head" else b"x")
        self._at += 1
        if self._at >= min(len(HEAD), 1900):
            return False
        try:
            self._socket.recv(SIP_BYTES)
        except BlockingIOError:
            return True
        return False  # an answer, a refusal, or the end: this client has had its time

    def _sip(self, tally: Tally) -> bool:
        part = self._socket.recv(SIP_BYTES)
        tally.sips += 1
        return bool(part)


def _rounds(clients: list[Client], tally: Tally) -> Iterator[None]:
    # Each tick has its share of the clients, so that the work is spread over the second.
    while True:
        for tick in range(TICKS_PER_S):
            for client in clients[tick::TICKS_PER_S]:
                client.act(tally)
            yield


def main(port: int, count: int) -> None:
    """Run `count` clients, a third of each kind, until SIGTERM."""
    allow_descriptors(count)
    tally = Tally()
    clients = [Client(port, turn, ("head", "body", "read")[turn % 3]) for turn in range(count)]
    print(json.dumps({"clients": len(clients)}), flush=True)
    is_over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: is_over.append(number))
    began_cpu, due = time.process_time(), time.monotonic()
    for _ in _rounds(clients, tally):
        if is_over:
            break
        due = max(due + 1 / TICKS_PER_S, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
    tally.cpu_s = time.process_time() - began_cpu
    print(json.dumps(asdict(tally)), flush=True)
    for client in clients:
        client.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
