"""Many connections from one process: descriptors enough, and several source addresses, so that neither ports nor a cap of one address decides."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.client import request_bytes
from bench.paths import SetupError

PER_ADDRESS = 1000
SPARE_DESCRIPTORS = 500
ANSWER_S = 30.0
RECEIVE_BYTES = 65536
LAST_CHUNK = b"\r\n0\r\n\r\n"


def allow_descriptors(count: int) -> None:
    """See to it that this process, and what it starts, may open `count` descriptors and some.

    Raises SetupError when it may not.
    """
    wanted = count + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{wanted} descriptors are needed and {hard} are allowed; raise the limit (ulimit -Hn)"
        ) from error


def source_address(turn: int) -> str:
    """Return the address from which connection number `turn` comes: another one for every thousand."""
    return f"127.0.0.{2 + turn // PER_ADDRESS}"


def connected(port: int, turn: int, host: str = "127.0.0.1", *, receive_bytes: int = 0) -> socket.socket:
    """Return connection number `turn`; `receive_bytes` is its receive buffer, the kernel's choice unless given."""
    found = socket.socket()
    try:
        if receive_bytes:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        found.settimeout(ANSWER_S)
        found.bind((source_address(turn), 0))
        found.connect((host, port))
    except OSError:
        found.close()
        raise
    return found


def answered(connection: socket.socket, request: bytes, expected: bytes) -> None:
    """Send a request and read its answer, whose body must be `expected`.

    Raises SetupError when it is another one.
    """
    connection.sendall(request)
    answer = b""
    while not answer.endswith((expected, LAST_CHUNK)):
        part = connection.recv(RECEIVE_BYTES)
        if not part:
            raise SetupError(f"it was closed after {answer[:300]!r}")
        answer += part
    if not answer.startswith(b"HTTP/1.1 200 ") or expected not in answer:
        raise SetupError(f"it had the answer {answer[:300]!r}")


@contextmanager
def idle_connections(port: int, count: int, target: str, expected: bytes) -> Iterator[Sequence[socket.socket]]:
    """`count` connections that each had one answer and stay open without a word.

    Raises SetupError.
    """
    allow_descriptors(count)
    request = request_bytes(target)
    found: list[socket.socket] = []
    try:
        for turn in range(count):
            found.append(connected(port, turn))
            answered(found[-1], request, expected)
        yield found
    except (OSError, SetupError) as error:
        raise SetupError(f"of {count} connections, number {len(found)}: {error}") from error
    finally:
        for connection in found:
            connection.close()
