from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from askr_http.front.tree import DocumentRoot
from askr_http.routing import Kind


@pytest.fixture
def place(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "dir").mkdir(parents=True)
    (root / "dir/file.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    (tmp_path / "root-twin").mkdir()
    (tmp_path / "root-twin/file.txt").write_text("outside")
    (root / "inner").symlink_to("dir/file.txt")
    (root / "inner-absolute").symlink_to(root / "dir/file.txt")
    (root / "inner-dir").symlink_to(root / "dir")
    (root / "outer").symlink_to("../secret.txt")
    (root / "outer-absolute").symlink_to(tmp_path / "secret.txt")
    (root / "outer-dir").symlink_to(tmp_path)
    (root / "twin").symlink_to(tmp_path / "root-twin")
    (root / "chain").symlink_to("outer")
    (root / "loop").symlink_to("loop")
    (root / "gone").symlink_to("nothing")
    (root / "over-nothing").symlink_to(root / "nothing/../dir/file.txt")
    (root / "over-a-file").symlink_to(root / "dir/file.txt/../file.txt")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture(params=[True, False], ids=["openat2", "without openat2"])
def tree(place: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[DocumentRoot]:
    if not request.param:
        monkeypatch.setattr("askr_http.front.tree._SYS_OPENAT2", 99999)  # no such call: ENOSYS
    root = DocumentRoot(str(place), follows_symlinks=False)
    yield root
    root.close()


@pytest.mark.parametrize("path", [b"dir/file.txt", b"inner", b"inner-absolute", b"inner-dir/file.txt"])
def test_what_is_inside_is_opened(tree: DocumentRoot, path: bytes) -> None:
    assert tree.kind(path) is Kind.FILE
    file = tree.maybe_open_file(path)
    assert file is not None
    assert os.read(file.fd, 100) == b"inside"
    assert file.facts.size_bytes == 6
    file.close()


@pytest.mark.parametrize(
    "path",
    [
        b"outer", b"outer-absolute", b"outer-dir/secret.txt", b"twin/file.txt", b"chain", b"loop", b"gone", b"over-nothing", b"over-a-file", b"fifo", b"nothing", b"../secret.txt",
        b"dir/../../secret.txt", b"/etc/passwd", b"dir/file.txt/x", b"a" * 5000, b"outer-dir/root/dir/../../secret.txt",
    ],
)  # fmt: skip
def test_what_is_outside_or_no_file_is_not(tree: DocumentRoot, path: bytes) -> None:
    assert tree.kind(path) is Kind.NOTHING
    assert tree.maybe_open_file(path) is None


def test_directories(tree: DocumentRoot) -> None:
    assert tree.kind(b"") is Kind.DIRECTORY
    assert tree.kind(b"dir") is Kind.DIRECTORY
    assert tree.kind(b"inner-dir") is Kind.DIRECTORY
    assert tree.kind(b"outer-dir") is Kind.NOTHING
    assert tree.maybe_open_file(b"dir") is None


def test_links_may_leave_when_that_is_asked_for(place: Path) -> None:
    root = DocumentRoot(str(place), follows_symlinks=True)
    assert root.kind(b"outer") is Kind.FILE
    assert root.kind(b"outer-dir") is Kind.DIRECTORY
    assert root.kind(b"nothing") is Kind.NOTHING
    root.close()


def test_a_root_that_is_itself_a_link(place: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place)
    root = DocumentRoot(str(tmp_path / "link"), follows_symlinks=False)
    assert root.kind(b"inner-absolute") is Kind.FILE
    assert root.kind(b"outer") is Kind.NOTHING
    root.close()


def test_a_directory_that_takes_the_roots_name_is_seen_within_a_second(place: Path, tmp_path: Path) -> None:
    now_mono = 0.0
    root = DocumentRoot(str(place), follows_symlinks=False, clock=lambda: now_mono)
    place.rename(tmp_path / "old")
    now_mono = 2.0
    assert root.kind(b"dir/file.txt") is Kind.FILE  # there is nothing better
    place.mkdir()
    (place / "new.txt").write_text("new")
    (place / "inner-absolute").symlink_to(place / "new.txt")
    assert root.kind(b"new.txt") is Kind.NOTHING
    now_mono = 4.0
    assert root.kind(b"new.txt") is Kind.FILE
    assert root.kind(b"inner-absolute") is Kind.FILE
    assert root.kind(b"dir/file.txt") is Kind.NOTHING
    root.close()
