"""A running front and the files below its root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from front_harness import Front, running_front

BIG = os.urandom(1_000_000) * 20

pytestmark = pytest.mark.usefixtures("wire")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("base")
    root = base / "root"
    root.mkdir()
    (base / "secret.txt").write_text("secret")
    (root / "index.php").write_text("<?php secret")
    (root / "a b.txt").write_text("spaced")
    (root / "empty.txt").write_text("")
    (root / "big.bin").write_bytes(BIG)
    (root / "app.js").write_text("plain")
    (root / "app.js.br").write_text("brotli")
    (root / "app.js.gz").write_text("gzipped")
    (root / "stale.js").write_text("new")
    (root / "stale.js.gz").write_text("old")
    os.utime(root / "stale.js.gz", (1, 1))
    (root / "docs").mkdir()
    (root / "docs/index.html").write_text("docs")
    (root / "out.txt").symlink_to("../secret.txt")
    (root / ".env").write_text("secret")
    (root / "index.php.bak").write_text("<?php secret")
    return root


@pytest.fixture(scope="module")
def front(root: Path, wire: str) -> Iterator[Front]:
    with running_front(root) as running:
        yield running


def test_a_name_is_decoded(front: Front) -> None:
    assert front.get("/a%20b.txt").body == b"spaced"


def test_an_empty_file(front: Front) -> None:
    answer = front.get("/empty.txt")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", b"0")


@pytest.mark.parametrize("target", ["/out.txt", "/.env", "/index.php.bak", "/%2eenv", "/..%2fsecret.txt"])
def test_secrets_stay(front: Front, target: str) -> None:
    answer = front.get(target)
    assert answer.body.startswith(b"php GET")
    assert answer.body != b"secret"


def test_a_large_file_arrives_whole_also_at_a_slow_reader(front: Front) -> None:
    with front.connect() as client:
        client.send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        for _ in range(2):
            assert client.answer().body == BIG


def test_a_part_of_a_large_file(front: Front) -> None:
    answer = front.get("/big.bin", "Range: bytes=100000-2000000")
    assert (answer.status, answer.headers["content-range"]) == (206, b"bytes 100000-2000000/20000000")
    assert answer.body == BIG[100000:2000001]
    answer = front.get("/big.bin", "Range: bytes=20000000-")
    assert (answer.status, answer.headers["content-range"]) == (416, b"bytes */20000000")


def test_a_file_that_was_seen_is_not_sent_again(front: Front) -> None:
    first = front.get("/app.js")
    again = front.get("/app.js", f"If-None-Match: {first.headers['etag'].decode()}")
    assert (again.status, again.body) == (304, b"")
    assert "content-type" not in again.headers
    again = front.get("/app.js", f"If-Modified-Since: {first.headers['last-modified'].decode()}")
    assert again.status == 304


@pytest.mark.parametrize(
    ("accept", "body", "coding"), [("br", b"brotli", b"br"), ("gzip", b"gzipped", b"gzip"), ("br;q=0", b"plain", None)]
)
def test_compressed_siblings(front: Front, accept: str, body: bytes, coding: bytes | None) -> None:
    answer = front.get("/app.js", f"Accept-Encoding: {accept}")
    assert (answer.body, answer.headers.get("content-encoding")) == (body, coding)
    assert answer.headers["vary"] == b"Accept-Encoding"
    assert answer.headers["content-type"] == b"text/javascript; charset=utf-8"


def test_each_coding_has_its_own_tag(front: Front) -> None:
    tags = {front.get("/app.js", f"Accept-Encoding: {accept}").headers["etag"] for accept in ("br", "gzip", "identity")}
    assert len(tags) == 3
    assert all(tag.startswith(b'"') and tag.endswith(b'"') for tag in tags)


def test_an_older_sibling_is_not_served(front: Front) -> None:
    answer = front.get("/stale.js", "Accept-Encoding: gzip")
    assert answer.body == b"new"
    assert "vary" not in answer.headers


def test_other_methods_are_not_allowed(front: Front) -> None:
    answer = front.get("/a%20b.txt", method="DELETE")
    assert (answer.status, answer.headers["allow"]) == (405, b"GET, HEAD")


def test_a_directory(front: Front) -> None:
    answer = front.get("/docs?x=1")
    assert (answer.status, answer.headers["location"]) == (301, b"/docs/?x=1")
    assert front.get("/docs/").body == b"docs"


def test_a_file_that_is_replaced_during_the_answer_is_sent_as_it_was_opened(root: Path, front: Front) -> None:
    path = root / "replaced.bin"
    path.write_bytes(BIG)
    with front.connect() as client:
        client.send(b"GET /replaced.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client._line().endswith(b"200 OK")
        (root / "new.bin").write_bytes(b"other")
        (root / "new.bin").rename(path)
        client._buffer = b"HTTP/1.1 200 OK\r\n" + client._buffer
        assert client.answer().body == BIG


def test_a_file_that_is_truncated_during_the_answer_cuts_the_connection(root: Path, front: Front) -> None:
    path = root / "truncated.bin"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    with front.connect() as client:
        client.send(b"GET /truncated.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client._line().endswith(b"200 OK")
        os.truncate(path, 0)
        client._buffer = b"HTTP/1.1 200 OK\r\n" + client._buffer
        assert not client.answer().is_whole
