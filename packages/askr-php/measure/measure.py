"""What a worker process costs per request, without a front: CPU, page faults and system calls of PHP's part alone.

    python measure.py KERNEL.so [KERNEL.so ...] [--case hello --case hello-worker ...] [--rounds 5] [--requests 20000]
    python measure.py KERNEL.so --case hello --strace           system calls per request
    python measure.py KERNEL.so --case hello --perf out.data    where the time goes: perf report -i out.data

A template with one worker is started per kernel and case; `pump.c` plays the front.
The kernels take turns within a round, so that what else the machine does falls on all of them alike; the best and the middle round are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from askr_php import template
from askr_shm.head import Field, encode_request_head
from askr_shm.pool import Pool, PoolSpec

HERE = Path(__file__).resolve().parent
FORK, READY, FORKED = 1, 11, 12
WORKER = """<?php
$documents = [];
foreach (glob(__DIR__ . '/*.php') as $file) { if ($file !== __FILE__) { $documents['/' . basename($file)] = $file; } }
$answer = static function () use ($documents): void { include $documents[strtok($_SERVER['REQUEST_URI'], '?')]; };
if (function_exists('askr_cow_ready')) { askr_cow_ready(); }
while (askr_handle_request($answer)) {}
"""
SCRIPTS = {
    "worker.php": WORKER,
    "hello.php": "<?php\necho 'hello';\n",
    "server.php": "<?php\necho $_SERVER['REQUEST_METHOD'], count($_SERVER) > 20;\n",
    "json.php": """<?php
$body = file_get_contents('php://input');
$seen = ['method' => $_SERVER['REQUEST_METHOD'], 'get' => $_GET, 'post' => $_POST,
    'body_size' => strlen($body), 'body_crc32' => crc32($body), 'pad' => ''];
$seen['pad'] = str_repeat('x', max(0, 1024 - strlen(json_encode($seen))));
header('Content-Type: application/json');
echo json_encode($seen);
""",
    "closure.php": "<?php\n",
}
CLOSURE_WORKER = "<?php\n$answer = static function (): void { echo 'hello'; };\naskr_cow_ready();\nwhile (askr_handle_request($answer)) {}\n"
HEADERS = [(b"Host", b"127.0.0.1:8000"), (b"User-Agent", b"measure"), (b"Accept", b"*/*")]
FORM = b"a=1&b=two&c=" + b"z" * 200


@dataclass(frozen=True)
class Case:
    """One request; `worker` is the worker script, None in per-request mode."""

    script: str
    worker: str | None = None
    body: bytes = b""


CASES = {
    "hello": Case("hello.php"),
    "server": Case("server.php"),
    "json": Case("json.php", body=FORM),
    "hello-worker": Case("hello.php", "worker.php"),
    "closure-worker": Case("closure.php", "closure-worker.php"),
    "json-worker": Case("json.php", "worker.php", FORM),
}


def use_kernel(path: Path) -> None:
    """Have askr_php take this file for its vendor kernel, in this process."""
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)  # for one with the distribution's PHP
    init = next(name for name in ("_kernel_vendor", "_kernel_system") if f"PyInit_{name}".encode() in path.read_bytes())
    spec = importlib.util.spec_from_file_location(init, path)
    if spec is None or spec.loader is None:
        message = f"{path} is no extension module"
        raise SystemExit(message)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["askr_php._kernel_vendor"] = module


def request_head(case: Case, root: Path) -> bytes:
    """Encode the request as a front does."""
    target = f"/{case.script}?a=1&b=two"
    fields = {
        Field.METHOD: b"POST" if case.body else b"GET",
        Field.TARGET: target.encode(),
        Field.QUERY: b"a=1&b=two",
        Field.SCRIPT_NAME: f"/{case.script}".encode(),
        Field.SCRIPT_FILENAME: os.fsencode(root / case.script),
        Field.DOCUMENT_ROOT: os.fsencode(root),
        Field.PROTOCOL: b"HTTP/1.1",
        Field.SCHEME: b"http",
        Field.SERVER_NAME: b"127.0.0.1",
        Field.SERVER_PORT: b"8000",
        Field.SERVER_ADDR: b"127.0.0.1",
        Field.REMOTE_ADDR: b"127.0.0.1",
        Field.REMOTE_PORT: b"12345",
        Field.REQUEST_TIME_US: b"1795273840000000",
        **({Field.CONTENT_LENGTH: str(len(case.body)).encode()} if case.body else {}),
    }
    form = [(b"Content-Type", b"application/x-www-form-urlencoded"), (b"Content-Length", str(len(case.body)).encode())]
    return encode_request_head(fields, HEADERS + (form if case.body else []))


@dataclass
class Worker:
    """A running worker of one kernel and case."""

    pool: Pool
    pid: int
    head: Path
    body: Path
    pump: Path
    is_woken: bool = False
    in_flight: int = 64

    def pumped(self, requests: int) -> str:
        """Have `requests` answered; return what the pump says."""
        number = len(self.pool.eventfds) - 1
        command = [
            self.pump,
            self.pool.fd,
            self.pool.eventfds[number],
            number,
            self.in_flight,
            requests,
            self.head,
            self.body,
            "wake" if self.is_woken else "look",
        ]
        descriptors = (self.pool.fd, self.pool.eventfds[number])
        done = subprocess.run([str(word) for word in command], pass_fds=descriptors, check=True, capture_output=True)
        return done.stdout.decode(errors="replace")

    def cpu_us(self) -> float:
        """CPU time so far, from the scheduler's own count."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1000

    def stat(self) -> tuple[int, int, int]:
        """Minor faults, user and system ticks."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[7]), int(fields[11]), int(fields[12])


@contextlib.contextmanager
def running(kernel: Path, case: Case, ini: str, pump: Path) -> Iterator[Worker]:
    """Start a template with one worker."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in {**SCRIPTS, "closure-worker.php": CLOSURE_WORKER}.items():
            (root / name).write_text(text)
            os.utime(root / name, (1, 1))  # OPcache takes no file of the last two seconds
        pool = Pool.create(PoolSpec(exchanges=256, blocks=2048, fronts=1, workers=2, spool_stride_bytes=1 << 24))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            use_kernel(kernel)
            template.run(
                template.TemplateSpec(
                    pool_fd=pool.fd,
                    spool_fd=pool.spool_fd,
                    front_eventfds=tuple(pool.eventfds),
                    master_eventfd=pool.master_eventfd,
                    control_fd=theirs.fileno(),
                    mode="worker" if case.worker else "per-request",
                    document_root=str(root),
                    script=str(root / (case.worker or "index.php")),
                    kernel="vendor",
                    ini=ini,
                )
            )
        theirs.close()
        if struct.unpack("=III", ours.recv(12))[0] != READY:
            message = "the template did not boot"
            raise SystemExit(message)
        ours.send(struct.pack("=II", FORK, 0))
        op, _, worker = struct.unpack("=III", ours.recv(12))
        if op != FORKED:
            message = "the template did not fork"
            raise SystemExit(message)
        head, body = root / "head.bin", root / "body.bin"
        head.write_bytes(request_head(case, root))
        body.write_bytes(case.body)
        try:
            yield Worker(pool, worker, head, body, pump)
        finally:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
            ours.close()
            os.waitpid(pid, 0)
            pool.close()


def build_pump(folder: Path, shm: Path) -> Path:
    """Compile pump.c with askr-shm's C."""
    target = folder / "pump"
    sources = [HERE / "pump.c", *sorted(shm.glob("askr_*.c"))]
    subprocess.run(
        ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", f"-I{shm}", *sources, "-o", target, "-pthread"], check=True
    )
    return target


def compare(
    kernels: list[Path], name: str, rounds: int, requests: int, ini: str, pump: Path, *, is_woken: bool, in_flight: int
) -> None:
    """Measure one case on all kernels and print a line for each."""
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(running(kernel, CASES[name], ini, pump)) for kernel in kernels]
        for worker in workers:
            worker.is_woken, worker.in_flight = is_woken, in_flight
            worker.pumped(3000)
        seen: list[list[float]] = [[] for _ in kernels]
        for _ in range(rounds):
            for index, worker in enumerate(workers):
                before = worker.cpu_us()
                worker.pumped(requests)
                seen[index].append((worker.cpu_us() - before) / requests)
        for kernel, worker, figures in zip(kernels, workers, seen, strict=True):
            faults = worker.stat()[0]
            worker.pumped(requests)
            faults = worker.stat()[0] - faults
            user, system = worker.stat()[1:]
            print(
                f"{name:15} {min(figures):7.2f} best {statistics.median(figures):7.2f} median us/request"
                f"  {100 * system // max(1, user + system):3}% system  {faults / requests:5.2f} faults  {kernel}",
                flush=True,
            )


def look(kernel: Path, name: str, requests: int, ini: str, pump: Path, *, strace: bool, perf: str | None) -> None:
    """Run one case under strace or perf."""
    with running(kernel, CASES[name], ini, pump) as worker:
        print(worker.pumped(3000))
        command = (
            ["strace", "-c", "-f", "-p", str(worker.pid)]
            if strace
            else ["perf", "record", "-q", "-e", "cpu-clock", "-F", "5000", "-g", "-p", str(worker.pid), "-o", str(perf)]
        )
        tool = subprocess.Popen(command, stderr=subprocess.PIPE if strace else None, text=True)
        if tool.stderr:
            tool.stderr.readline()  # attached
        worker.pumped(requests)
        tool.send_signal(signal.SIGINT)
        if tool.stderr:
            print(f"{requests} requests")
            print(tool.stderr.read())
        tool.wait()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="CPU of PHP's part per request.")
    parser.add_argument("kernels", nargs="+", type=Path)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--ini", default="", help="php.ini lines")
    parser.add_argument("--shm", type=Path, default=HERE.parent.parent / "askr-shm" / "csrc", help="askr-shm's C")
    parser.add_argument("--strace", action="store_true")
    parser.add_argument("--wake", action="store_true", help="the front sleeps and is woken")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--perf", help="write perf's data into this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pump = build_pump(Path(folder), options.shm)
        for name in options.case or list(CASES):
            if options.strace or options.perf:
                look(
                    options.kernels[0],
                    name,
                    options.requests,
                    options.ini,
                    pump,
                    strace=options.strace,
                    perf=options.perf,
                )
            else:
                compare(
                    options.kernels,
                    name,
                    options.rounds,
                    options.requests,
                    options.ini,
                    pump,
                    is_woken=options.wake,
                    in_flight=options.in_flight,
                )


if __name__ == "__main__":
    main()
