"""The load: wrk with a script that judges every answer."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.documents import FORM, Document
from bench.paths import BENCH, tool

MARK = "bench: "
TIMEOUT_S = 10


class LoadFailed(Exception):
    """Raised when wrk gave no figures; the text is what it said."""


@dataclass(frozen=True)
class Load:
    """What wrk saw. `errors` counts broken connections, timeouts, bad statuses and wrong bodies."""

    requests: int
    duration_s: float
    size_bytes: int
    errors: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def rate_per_s(self) -> float:
        """Answers per second."""
        return self.requests / self.duration_s if self.duration_s else 0.0


def parse(output: str, *, status: int = 200) -> Load:
    """Read what check.lua printed; `status` is what the answers must have.

    Raises LoadFailed when the line is not there.
    """
    line = next((line for line in output.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise LoadFailed(output.strip() or "wrk said nothing")
    seen: dict[str, int] = json.loads(line.removeprefix(MARK))
    # With a judge, a bad status is a wrong answer already; without one, wrk's own count of 400 and more is all there is.
    others = seen["bad_status"] if status < 400 else seen["requests"] - seen["bad_status"]
    wrong = max(seen["wrong"], others)
    return Load(
        requests=seen["requests"],
        duration_s=seen["duration_us"] / 1e6,
        size_bytes=seen["bytes"],
        errors=wrong + seen["connect"] + seen["read"] + seen["write"] + seen["timeout"],
        p50_ms=seen["p50_us"] / 1e3,
        p99_ms=seen["p99_us"] / 1e3,
        max_ms=seen["max_us"] / 1e3,
    )


def short_bytes(load: Load, document: Document, connections: int) -> int:
    """Return how many bytes fewer arrived than the answers must have had; what is under way at the end may be more."""
    least = load.requests * len(document.expected or b"")
    return max(0, least - load.size_bytes) if load.requests >= connections else 0


def run(
    host: str, port: int, document: Document, *, connections: int, seconds: float, headers: Sequence[str] = ()
) -> Load:
    """Load a server with one document for some seconds; `headers` are lines for each request.

    Raises LoadFailed, SetupError.
    """
    with tempfile.TemporaryDirectory(prefix="askr-bench-") as folder:
        words = ["-"]
        if document.expected is not None and document.is_compared_in_load:
            words = [_file(folder, "expected", document.expected)]
        if document.body:
            words += [_file(folder, "body", document.body), FORM]
        # wrk takes whole seconds; its duration is reported, so a rounded one is still right.
        command = [tool("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += [f"--timeout={TIMEOUT_S}s", "-s", os.fspath(BENCH / "check.lua")]
        command += [word for line in headers for word in ("-H", line)]
        command += [f"http://{host}:{port}{document.target}", "--", *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + 3 * TIMEOUT_S)
    load = parse(done.stdout + done.stderr, status=document.status)
    if short_bytes(load, document, connections):
        raise LoadFailed(
            f"{document.name}: {load.requests} answers had {load.size_bytes} bytes in all, which is too few"
        )
    return load


def _file(folder: str, name: str, content: bytes) -> str:
    path = Path(folder, name)
    path.write_bytes(content)
    return str(path)
