"""A template and its workers without a server: the tests play master and front."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from askr_php import template
from askr_php.kernel import KernelName
from askr_shm.head import Field, ResponseHead, decode_response_head, encode_request_head
from askr_shm.pool import FrontPort, Pool, PoolSpec, WorkerCommand

FORK, STOP, READY, FORKED, FAILED = 1, 2, 11, 12, 13
PATIENCE_S = 60.0  # how long a test waits for an event before it calls the other side hung


@dataclass(frozen=True)
class Response:
    """A response as PHP gave it."""

    head: ResponseHead
    body: bytes
    is_failed: bool

    def header(self, name: str) -> list[bytes]:
        """Return the values of a header field."""
        return [value for key, value in self.head.headers if key.lower() == name.lower().encode()]


@dataclass
class Served:
    """A running template; `workers` maps a worker's index to its process id."""

    pool: Pool
    port: FrontPort
    control: socket.socket
    pid: int
    root: Path
    workers: dict[int, int] = field(default_factory=dict)

    def receive(self) -> tuple[int, int, int]:
        """Return the template's next message, or (0, 0, 0) when it has ended."""
        assert select.select([self.control], [], [], PATIENCE_S)[0], "the template says nothing"
        message = self.control.recv(12)
        if not message:
            return (0, 0, 0)
        op, first, second = struct.unpack("=III", message)
        return (op, first, second)

    def fork(self, index: int) -> int:
        """Have worker `index` forked and return its process id when it can take requests."""
        self.control.send(struct.pack("=II", FORK, index))
        op, told, pid = self.receive()
        assert (op, told) == (FORKED, index)
        self.workers[index] = pid
        deadline = time.monotonic() + PATIENCE_S
        while self.pool.worker(index).state.name not in {"IDLE", "BUSY"}:
            assert os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, "the worker ended"
            assert time.monotonic() < deadline
            select.select([self.pool.master_eventfd], [], [], 0.05)
        return pid

    def submit(
        self,
        script: str,
        *,
        method: str = "GET",
        query: str = "",
        body: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> int:
        """Queue a request for `script` (a name below the root) and return its exchange."""
        target = f"/{script}" + (f"?{query}" if query else "")
        fields: Mapping[Field, bytes] = {
            Field.METHOD: method.encode(),
            Field.TARGET: target.encode(),
            Field.QUERY: query.encode(),
            Field.SCRIPT_NAME: f"/{script}".encode(),
            Field.SCRIPT_FILENAME: os.fsencode(self.root / script),
            Field.DOCUMENT_ROOT: os.fsencode(self.root),
            Field.PROTOCOL: b"HTTP/1.1",
            Field.SCHEME: b"http",
            Field.SERVER_NAME: b"localhost",
            Field.SERVER_PORT: b"8000",
            Field.SERVER_ADDR: b"127.0.0.1",
            Field.REMOTE_ADDR: b"127.0.0.1",
            Field.REMOTE_PORT: b"12345",
            Field.REQUEST_TIME_US: str(time.time_ns() // 1000).encode(),
            **({Field.CONTENT_LENGTH: str(len(body)).encode()} if body else {}),
        }
        head = encode_request_head(fields, headers)
        xid = self.port.open()
        self.port.write_request(xid, head)
        if body:
            self.port.write_request(xid, body)
        self.port.submit(
            xid, head_size_bytes=len(head), body_size_bytes=len(body), is_spooled=False, deadline_mono_ns=0
        )
        return xid

    def collect(self, xid: int) -> Response:
        """Wait for the end of `xid`, return its response and release it."""
        received = b""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.port.completions()
            seen = self.port.observe(xid)
            if seen.readable_bytes:
                received += self.port.read_response(xid, 1 << 20)
            elif seen.is_final:
                break
            else:
                assert time.monotonic() < deadline, "no response"
                select.select([self.port.eventfd], [], [], 0.05)
        size = self.port.observe(xid).head_size_bytes
        self.port.release(xid)
        head = decode_response_head(received[:size]) if size else ResponseHead(0, b"", [])
        return Response(head, received[size:], is_failed=seen.is_failed)

    def get(self, script: str, query: str = "", **more: object) -> Response:
        """Serve one request and return its response."""
        return self.collect(self.submit(script, query=query, **more))  # type: ignore[arg-type]  # keyword arguments pass through

    def end_worker(self, index: int) -> int:
        """Drain worker `index` and return its exit code."""
        self.pool.command(index, WorkerCommand.DRAIN)
        _, status = os.waitpid(self.workers.pop(index), 0)
        self.pool.repair_worker(index)
        self.pool.clear(index)
        return os.waitstatus_to_exitcode(status)


@contextlib.contextmanager
def serving(
    root: Path, *, kernel: KernelName, script: str | None = None, workers: int = 1, **settings: object
) -> Iterator[Served]:
    """Run a template for `root`; `script` puts it in worker mode.  The books must balance at the end."""
    pool = Pool.create(PoolSpec(exchanges=64, blocks=512, fronts=1, workers=16, spool_stride_bytes=1 << 24))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child leaves by _exit
        ours.close()
        template.run(
            template.TemplateSpec(
                pool_fd=pool.fd,
                spool_fd=pool.spool_fd,
                front_eventfds=tuple(pool.eventfds),
                master_eventfd=pool.master_eventfd,
                control_fd=theirs.fileno(),
                mode="worker" if script else "per-request",
                document_root=str(root),
                script=str(root / (script or "index.php")),
                kernel=kernel,
                **settings,  # type: ignore[arg-type]  # keyword arguments pass through
            )
        )
    theirs.close()
    served = Served(pool, pool.front(0), ours, pid, root)
    try:
        if workers:
            assert served.receive()[0] == READY, (
                f"the template ended with {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}"
            )
            for index in range(workers):
                served.fork(index)
        yield served
        for index in list(served.workers):
            assert served.end_worker(index) == 0
        audit = pool.audit()
        assert audit.blocks_used == 0
        assert audit.blocks_lost == 0
    finally:
        for worker in served.workers.values():
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(worker, signal.SIGKILL)
                os.waitpid(worker, 0)
        ours.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        pool.close()
