"""Many connections that each do something wrong: cut, mutilated, half-closed or reset at any byte, slow, or not read.

The invariant: whatever they do, others are answered, no descriptor and no exchange is lost, and nothing is worth a warning in the log.
The fixture judges descriptors and log; the books are looked at here.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.conftest import APPS, EXPECTED, PATIENCE_S, Behaviours, builds
from tests.e2e.e2e_client import Client
from tests.support import processes, server
from tests.support.books import pool_of

CONNECTIONS = 240
AT_ONCE = 8
RESET = struct.pack("ii", 1, 0)
HOST = b"HTTP/1.1\r\nHost: a\r\n"
REQUESTS = [
    b"GET /pid.php " + HOST + b"\r\n",
    b"GET /large.bin " + HOST + b"\r\n",
    b"HEAD /large.bin " + HOST + b"\r\n",
    b"GET /large.bin " + HOST + b"Range: bytes=100-4000000\r\n\r\n",
    b"GET /large.php?n=3000000 " + HOST + b"\r\n",
    b"GET /large.php?n=300000 HTTP/1.0\r\n\r\n",
    b"POST /sha1.php " + HOST + b"Content-Length: 700000\r\n\r\n" + b"y" * 700_000,
    b"POST /sha1.php " + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * 5000 + b"0\r\n\r\n",
    b"POST /sha1.php " + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /large.bin " + HOST + b"Content-Length: 100000\r\n\r\n" + b"z" * 1000,
    b"OPTIONS * " + HOST + b"\r\n",
    b"GET /nothing " + HOST + b"Connection: close\r\n\r\n",
]
NOISE = [b"\0", b"\r", b"\n", b"\xff", b" ", b"", b"GET ", b"%00", b"..", b":"]


def mutilated(wire: bytes, dice: random.Random) -> bytes:
    """Return the wire with a few wrong bytes in front of its bodies."""
    data = bytearray(wire)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(4, min(len(data), 300))  # behind the method, so that no other one reaches PHP by chance
        data[at : at + dice.randint(0, 2)] = dice.choice(NOISE)
    return bytes(data)


def misbehave(address: Behaviours, seed: int) -> None:
    """Be one bad client."""
    dice = random.Random(seed)
    wire = b"".join(dice.choice(REQUESTS) for _ in range(dice.randint(1, 5)))
    if dice.random() < 0.4:
        wire = mutilated(wire, dice)
    if dice.random() < 0.4:
        wire = wire[: dice.randrange(1, len(wire) + 1)]
    with socket.socket() as sock, contextlib.suppress(OSError):
        if dice.random() < 0.3:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(dice.choice([0.05, 0.3]))
        sock.connect((address.host, address.port))
        for _ in range(20):
            size = dice.choice([1, 10, 1000])
            sock.sendall(wire[:size])
            wire = wire[size:]
        sock.sendall(wire)
        if dice.random() < 0.3:
            sock.shutdown(socket.SHUT_WR)
        left = dice.choice([0, 1, 1000, 100_000, 10_000_000])
        while left > 0 and (data := sock.recv(65536)):
            left -= len(data)
        if dice.random() < 0.3:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def test_bad_clients_cost_nobody_anything(tmp_path: Path, wire: str) -> None:
    root = tmp_path / "root"
    shutil.copytree(APPS / "behaviours", root)
    with (root / "large.bin").open("wb") as file:
        file.truncate(8_000_000)
    with server.askr_serve(
        *("--root", root, "--front", "pid.php", "--workers", "3", "--fronts", "2", "--wire", wire),
        log=tmp_path / "askr.log",
        declared=[*EXPECTED, r"Undefined array key"],
        env={"ASKR_PHP": builds()[0]},
    ) as process:
        address = Behaviours(process, "per-request", builds()[0], 3, wire)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            bad = [threads.submit(misbehave, address, seed) for seed in range(CONNECTIONS)]
            with Client(address) as client:
                while not all(future.done() for future in bad):
                    assert client.get("/pid.php").status == 200
            for future in bad:
                future.result()
        with pool_of(process.pid) as pool:
            assert processes.wait_until(lambda: pool.books().are_balanced, PATIENCE_S), pool.books()
