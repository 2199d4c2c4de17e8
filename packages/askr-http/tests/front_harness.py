"""A real front in a process of its own, with a worker in Python behind it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn, Self

from askr_http.front import FrontSpec, main
from askr_http.limits import Limits
from askr_http.wires import WireName
from askr_shm.pool import Audit, ExchangeState, Pool, PoolSpec
from askr_shm.worker_port import TakenRequest, WorkerPort

TIMEOUT_S = 10.0
WIRES: tuple[WireName, ...] = ("pure", "native")
_wire: WireName = "pure"
App = Callable[["Worker", TakenRequest, bytes], None]


@dataclass
class Worker:
    """A worker in a thread of the test: `app` answers what the front sends."""

    port: WorkerPort
    app: App
    seen: list[TakenRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    must_stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        self.port.ready()
        while not self.must_stop.is_set():
            taken = self.port.take(0.05)
            if taken is None:
                continue
            body = self.port.read_request(taken.xid, taken.body_size_bytes)
            self.seen.append(taken)
            self.bodies.append(body)
            self.app(self, taken, body)


@dataclass
class Front:
    """A running front; `log_fd` is a file that holds what it logs."""

    pid: int
    address: tuple[str, int]
    pool: Pool
    worker: Worker | None
    log_fd: int
    log: str = ""

    def log_text(self) -> str:
        """Return what it has logged."""
        if self.log_fd >= 0:
            self.log = os.pread(self.log_fd, os.fstat(self.log_fd).st_size, 0).decode()
        return self.log

    def counters(self) -> dict[str, int]:
        """Return what its native wire had counted when it stopped."""
        (line,) = [line for line in self.log_text().splitlines() if "WireCounters(" in line]
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}

    def connect(self) -> Client:
        return Client(socket.create_connection(self.address, TIMEOUT_S))

    def ask(self, wire: bytes) -> Answer:
        """Send one request on a connection of its own and return the answer."""
        with self.connect() as client:
            client.send(wire)
            return client.answer(is_head=wire.startswith(b"HEAD"))

    def get(self, target: str, *lines: str, method: str = "GET") -> Answer:
        fields = "".join(f"{line}\r\n" for line in lines)
        return self.ask(f"{method} {target} HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n".encode("latin-1"))

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


@dataclass
class Answer:
    """A response as it came."""

    status: int
    reason: bytes
    headers: dict[str, bytes]
    body: bytes
    is_whole: bool


class Client:
    """A connection that reads responses strictly."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def _more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            assert self._more(), f"end of file inside of a line: {self._buffer!r}"
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> tuple[bytes, bool]:
        while len(self._buffer) < size:
            if not self._more():
                data, self._buffer = self._buffer, b""
                return data, False
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data, True

    def answer(self, *, is_head: bool = False) -> Answer:
        version, status, reason = self._line().split(b" ", 2)
        assert version == b"HTTP/1.1"
        headers: dict[str, bytes] = {}
        while line := self._line():
            name, _, value = line.partition(b": ")
            key = name.decode().lower()
            headers[key] = headers[key] + b", " + value if key in headers else value
        body, is_whole = self._body(int(status), headers, is_head=is_head)
        return Answer(int(status), reason, headers, body, is_whole)

    def _body(self, status: int, headers: dict[str, bytes], *, is_head: bool) -> tuple[bytes, bool]:
        if is_head or status in {204, 304} or status < 200:
            return b"", True
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") == b"chunked":
            return self._chunked()
        while self._more():
            pass
        return self._buffer, True

    def chunk(self) -> bytes:
        """Return the next chunk."""
        data, is_whole = self._exactly(int(self._line(), 16) + 2)
        assert is_whole
        return data[:-2]

    def _chunked(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            try:
                size = int(self._line(), 16)
            except AssertionError:
                return body, False
            data, is_whole = self._exactly(size + 2)
            body += data[:-2] if is_whole else data
            if not is_whole or size == 0:
                return body, is_whole

    def is_closed(self) -> bool:
        """Whether the server closes now; waits for it."""
        return not self._buffer and not self._more()


def hello(worker: Worker, taken: TakenRequest, body: bytes) -> None:
    """Answer with what was asked."""
    method, target = taken.head.fields[1], taken.head.fields[2]  # type: ignore[index] # Field is an IntEnum
    worker.port.respond(taken.xid, b"php " + method + b" " + target + b" " + body[:64], headers=[(b"X-From", b"php")])


def _child(spec: FrontSpec, log_fd: int, prepare: Callable[[], None]) -> NoReturn:
    code = 70
    try:
        logging.basicConfig(stream=os.fdopen(log_fd, "w", buffering=1), level=logging.DEBUG, force=True)
        prepare()
        main(spec)
    except SystemExit as leave:
        code = int(leave.code or 0)
    except BaseException:  # noqa: BLE001 - the last frame of this process
        traceback.print_exc()
    finally:
        os._exit(code)


def _assert_balanced(audit: Audit) -> None:
    assert audit.exchanges[ExchangeState.FREE] == sum(audit.exchanges.values()), audit
    assert audit.blocks_used == audit.blocks_lost == 0, audit


@contextlib.contextmanager
def over(wire: WireName) -> Iterator[None]:
    """Have fronts run over `wire`."""
    global _wire  # noqa: PLW0603 - a module of tests runs over one wire at a time
    before, _wire = _wire, wire
    try:
        yield
    finally:
        _wire = before


@contextlib.contextmanager
def running_front(
    root: Path,
    *,
    app: App | None = hello,
    limits: Limits | None = None,
    pool_spec: PoolSpec | None = None,
    change: Callable[[FrontSpec], FrontSpec] = lambda spec: spec,
    must_balance: bool = True,
    prepare: Callable[[], None] = lambda: None,
) -> Iterator[Front]:
    """Run a front over `root`; at the end it must drain, leave with 0, and the pool's books must balance.

    `prepare` is called in the front's process.
    """
    pool = Pool.create(pool_spec or PoolSpec(exchanges=64, blocks=256, workers=4, spool_stride_bytes=1 << 24))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    ready, ready_end = os.pipe()
    spec = change(
        FrontSpec(
            index=0,
            listener_fds=(listener.fileno(),),
            pool=pool,
            root=str(root),
            ready_fd=ready_end,
            limits=limits or Limits(),
            wire=_wire,
        )
    )
    log_fd = os.memfd_create("log")
    pid = os.fork()
    if pid == 0:
        _child(replace(spec, listener_fds=(listener.detach(),)), log_fd, prepare)
    os.close(ready_end)
    address = listener.getsockname()
    listener.close()
    front = Front(pid, address, pool, None, log_fd)
    with os.fdopen(ready, "rb") as pipe:
        assert pipe.read() == b"\n", f"the front did not come up\n{front.log_text()}"
    worker = thread = None
    if app is not None:
        port = WorkerPort(pool, 0)
        port.assign()
        worker = front.worker = Worker(port, app)
        thread = threading.Thread(target=worker.run)
        thread.start()
    pidfd = os.pidfd_open(pid)
    code = None
    try:
        yield front
        os.kill(pid, signal.SIGTERM)
        has_ended, _, _ = select.select([pidfd], [], [], TIMEOUT_S)
        if not has_ended:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code == 0, f"the front left with {code}\n{front.log_text()}"
    finally:
        if code is None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        if worker is not None and thread is not None:
            worker.must_stop.set()
            thread.join(TIMEOUT_S)
        front.log_text()
        front.log_fd = -1
        os.close(log_fd)
        os.close(pidfd)
        audit = pool.audit()
        pool.close()
    if must_balance:
        _assert_balanced(audit)
