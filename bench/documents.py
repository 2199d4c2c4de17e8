"""What is asked for, and the only right answer to it, computed here and not by a server."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import urllib.parse
import zlib
from dataclasses import dataclass
from pathlib import Path

from bench.client import Answer, request_bytes
from bench.paths import DOCROOT

FORM = "application/x-www-form-urlencoded"
POSTED = {"a": "1", "b": "two", "c": "z" * 200}
STATIC_SIZES = {"1k.bin": 1024, "64k.bin": 64 * 1024, "10m.bin": 10 * 1024 * 1024}
LARGEST_COMPARED = (
    16 * 1024
)  # wrk gives its script a copy of each body: larger ones are compared before and after a round


@dataclass(frozen=True)
class Document:
    """One case: a request and its answer.

    `expected` is None where each server has words of its own for `status`; `site` is the application that answers;
    `connections` overrides the run's number; `body` makes it a POST of a form.
    """

    name: str
    title: str
    target: str
    expected: bytes | None
    site: str = "documents"
    body: bytes = b""
    connections: int | None = None
    is_static: bool = False
    status: int = 200

    @property
    def is_compared_in_load(self) -> bool:
        """Whether every answer's body is compared while the load runs, and not only before and after it."""
        return self.expected is not None and len(self.expected) <= LARGEST_COMPARED

    def request(self) -> bytes:
        """Return the request's bytes."""
        return request_bytes(self.target, method="POST" if self.body else "GET", body=self.body, media_type=FORM)

    def complaint(self, answer: Answer) -> str | None:
        """Return what is wrong with an answer, or None."""
        if answer.status != self.status:
            return f"status {answer.status}, body {answer.body[:80]!r}"
        if self.expected is not None and answer.body != self.expected:
            return (
                f"{len(answer.body)} bytes {answer.body[:80]!r}, not {len(self.expected)} bytes {self.expected[:80]!r}"
            )
        return None


def _json(method: str, body: bytes) -> bytes:
    seen: dict[str, object] = {
        "method": method,
        "get": {"a": "1", "b": "two"},
        "post": POSTED if body else [],
        "body_size": len(body),
        "body_crc32": zlib.crc32(body),
        "pad": "",
    }
    seen["pad"] = "x" * (1024 - len(json.dumps(seen, separators=(",", ":"))))
    return json.dumps(seen, separators=(",", ":")).encode()


def _cpu() -> bytes:
    total, seen = 0, [0] * 256
    for i in range(40000):
        total = (total * 31 + i) & 0xFFFFFF
        seen[total & 255] = i
    return hashlib.md5(",".join(map(str, seen)).encode()).hexdigest().encode()  # noqa: S324 - a checksum


def static_content(name: str) -> bytes:
    """Return the content of a static document: bytes that no compression helps, the same every time."""
    return random.Random(name).randbytes(STATIC_SIZES[name])  # noqa: S311 - not a secret


def documents() -> dict[str, Document]:
    """Return all documents by name, in the order of the report."""
    form = urllib.parse.urlencode(POSTED).encode()
    rows = [
        Document("hello", "Hello (5 bytes)", "/hello.php", b"hello"),
        Document("json", "JSON (1 KB, from `$_GET`)", "/json.php?a=1&b=two", _json("GET", b"")),
        Document("post", "POST (form in, 1 KB of JSON out)", "/json.php?a=1&b=two", _json("POST", form), body=form),
        Document("cpu", "CPU (40,000 turns of a loop)", "/cpu.php", _cpu()),
        Document("sleep", "Sleep (20 ms)", "/sleep.php?ms=20", b"slept"),
        Document("laravel", "Laravel 13, a plain route", "/bench", b"Hello World", site="laravel"),
        Document(
            "laravel-uncached",
            "Laravel 13, a plain route, without `artisan optimize`",
            "/bench",
            b"Hello World",
            site="laravel-uncached",
        ),
    ]
    for name, title in (
        ("1k.bin", "Static file, 1 KB"),
        ("64k.bin", "Static file, 64 KB"),
        ("10m.bin", "Static file, 10 MB"),
    ):
        few = 4 if name == "10m.bin" else None
        rows.append(Document(name[:-4], title, f"/{name}", static_content(name), connections=few, is_static=True))
    rows.append(Document("404", "Fixed answer (404)", "/nothing", None, site="bare", status=404))
    return {row.name: row for row in rows}


def lay_out(folder: Path) -> Path:
    """Make the document root in `folder`: the PHP documents and the static ones."""
    root = folder / "docroot"
    shutil.copytree(DOCROOT, root)
    for name in STATIC_SIZES:
        (root / name).write_bytes(static_content(name))
    return root
