"""Whatever happens to the files below a root, the very next request sees it: no cache of the site in C hides a change."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from native_site import Answer, Deferred, Pair, Policy, pair, wire

from askr_http.routing import Script

NAMES = [
    "a.css", "a.css.gz", "a.css.br", "d/index.html", "d/index.php", "d/b.txt", "s.php", "index.php", "d", "e", "e/b.txt", "e/index.html", "s.php/x.txt",
]  # fmt: skip
TARGETS = [
    b"/",
    b"/a.css",
    b"/a.css.gz",
    b"/d/",
    b"/d",
    b"/d/b.txt",
    b"/s.php",
    b"/s.php/x.txt",
    b"/e/b.txt",
    b"/e/",
    b"/nothing",
]
CONTENTS = st.sampled_from([b"", b"one", b"two", b"three", b"x" * 5000])
LINKS = st.sampled_from(
    [
        "a.css",
        "../outside",
        "../outside/b.txt",
        "../outside/s.php",
        "d",
        "e",
        "d/b.txt",
        "missing",
        "s.php",
        "ABSOLUTE/d/b.txt",
    ]
)


class Changes(RuleBasedStateMachine):
    """Changes below a root, and after each one all requests."""

    policy = Policy()
    is_live = True
    """The clock is the real one and times are the file system's; otherwise all files are old enough to be kept in memory, and each
    change has an mtime of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp())
        self.root = self.base / "root"
        self.now_mono_ns = 1
        self.ticks = count(1)
        self.both: Pair

    @initialize()
    def begin(self) -> None:
        (self.root / "d").mkdir(parents=True)
        (self.base / "outside").mkdir()
        for name in ("a.css", "d/b.txt", "d/index.html", "s.php", "index.php"):
            self._put(self.root / name, b"first")
        for name in ("b.txt", "index.html", "s.php"):
            self._put(self.base / "outside" / name, b"secret")
        self.both = Pair(self.root, self.policy)

    def teardown(self) -> None:
        self.both.close()
        shutil.rmtree(self.base)

    def _put(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self._tick(path)

    def _tick(self, path: Path) -> None:
        if not self.is_live:
            then = 1_700_000_000_000_000_000 + next(self.ticks)
            os.utime(path, ns=(then, then))

    def _clear(self, name: str) -> Path | None:
        """Return the path of `name` with nothing there, None when it has no folder."""
        path = self.root / name
        if path.parent.is_symlink() or not path.parent.is_dir():
            return None
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path.exists():
            path.unlink()
        return path

    def _file(self, name: str) -> Path | None:
        path = self.root / name
        return path if path.is_file() and not path.is_symlink() and not path.parent.is_symlink() else None

    @rule(name=st.sampled_from(NAMES), content=CONTENTS)
    def make(self, name: str, content: bytes) -> None:
        if (path := self._clear(name)) is not None:
            self._put(path, content)

    @rule(name=st.sampled_from(NAMES), content=CONTENTS)
    def write_in_place(self, name: str, content: bytes) -> None:
        if (path := self._file(name)) is not None:
            self._put(path, content)

    @rule(name=st.sampled_from(NAMES))
    def write_other_bytes_of_the_same_length(self, name: str) -> None:
        if (path := self._file(name)) is not None:
            self._put(path, path.read_bytes()[::-1].swapcase())

    @rule(name=st.sampled_from(NAMES), content=CONTENTS)
    def replace(self, name: str, content: bytes) -> None:
        if (path := self._file(name)) is not None:
            self._put(self.base / "new", content)
            (self.base / "new").rename(path)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self._clear(name)

    @rule(name=st.sampled_from(NAMES), modified_s=st.sampled_from([1, 1_600_000_000, 1_800_000_000]))
    def touch(self, name: str, modified_s: int) -> None:
        if (path := self._file(name)) is not None:
            os.utime(path, (modified_s, modified_s))

    @rule(name=st.sampled_from(NAMES), text=LINKS)
    def link(self, name: str, text: str) -> None:
        if (path := self._clear(name)) is not None:
            path.symlink_to(text.replace("ABSOLUTE", str(self.root)))

    @rule(name=st.sampled_from(NAMES))
    def make_a_folder(self, name: str) -> None:
        if (path := self._clear(name)) is not None:
            path.mkdir()
            self._put(path / "b.txt", b"in a folder")

    @rule(name=st.sampled_from(NAMES))
    def make_a_fifo(self, name: str) -> None:
        if (path := self._clear(name)) is not None:
            os.mkfifo(path)

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def swap(self, one: str, other: str) -> None:
        paths = [self.root / one, self.root / other]
        if one.startswith(other) or other.startswith(one) or not all(os.path.lexists(path) for path in paths):
            return
        if not any(path.parent.is_symlink() for path in paths):
            paths[0].rename(self.base / "aside")
            paths[1].rename(paths[0])
            (self.base / "aside").rename(paths[1])

    @rule(seconds=st.sampled_from([1, 5]))
    def wait(self, seconds: int) -> None:
        self.now_mono_ns += seconds * 1_000_000_000

    @rule(copy=st.booleans())
    def deploy(self, *, copy: bool) -> None:
        """Another folder takes the root's name, with new files or with hard links to the old ones."""
        shutil.copytree(
            self.root,
            self.base / "next",
            symlinks=True,
            copy_function=shutil.copy2 if copy else os.link,
            ignore=_ignore_fifos,
        )
        self.root.rename(self.base / "previous")
        (self.base / "next").rename(self.root)
        shutil.rmtree(self.base / "previous")
        self.now_mono_ns += 2_000_000_000

    @rule()
    def carry_a_folder_out_and_leave_a_link(self) -> None:
        path = self.root / "d"
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(self.base / "carried", ignore_errors=True)
            path.rename(self.base / "carried")
            path.symlink_to("../carried")
            self.now_mono_ns += 2_000_000_000  # the one change that may take a second to be seen

    @invariant()
    def nothing_is_hidden(self) -> None:
        now_wall_s = int(time.time()) + (0 if self.is_live else 1000)
        for target in TARGETS:
            for lines in ((b"Accept-Encoding: br, gzip",), ()):
                outcome = self.both.ask(wire(target, *lines), now_wall_s, self.now_mono_ns)
                assert not isinstance(outcome, Answer) or outcome.body != b"secret"
                assert not isinstance(outcome, Script) or not outcome.filename.endswith(b"outside/s.php")


def _ignore_fifos(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_fifo()]


class LiveChanges(Changes):
    """Files that are all young."""


class SettledChanges(Changes):
    """Files that are all kept in memory."""

    is_live = False


class FewFiles(Changes):
    """A cache that holds nearly nothing."""

    is_live = False
    policy = Policy(files=3)


class FollowedLinks(Changes):
    """Links may lead out of the root."""

    is_live = False
    policy = Policy(follows=True)

    @invariant()
    def nothing_is_hidden(self) -> None:
        for target in TARGETS:
            self.both.ask(wire(target), int(time.time()) + 1000, self.now_mono_ns)


SETTINGS = settings(deadline=None, max_examples=20, stateful_step_count=20)  # the machine's speed is not what is tested
TestLiveChanges = LiveChanges.TestCase
TestSettledChanges = SettledChanges.TestCase
TestFewFiles = FewFiles.TestCase
TestFollowedLinks = FollowedLinks.TestCase
for _case in (TestLiveChanges, TestSettledChanges, TestFewFiles, TestFollowedLinks):
    _case.settings = SETTINGS


def body_of(both: Pair, target: bytes, *lines: bytes) -> bytes:
    outcome = both.ask(wire(target, *lines), int(time.time()) + 1000)
    assert isinstance(outcome, Answer)
    return outcome.body


def test_a_change_that_keeps_size_and_mtime_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one")
    os.utime(path, ns=(5, 5))
    with pair(tmp_path) as both:
        assert body_of(both, b"/a.txt") == b"one"
        (tmp_path / "b").write_bytes(b"two")
        os.utime(tmp_path / "b", ns=(5, 5))
        (tmp_path / "b").rename(path)
        assert body_of(both, b"/a.txt") == b"two"


def test_a_write_that_hides_itself_behind_the_old_mtime_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one")
    os.utime(path, ns=(5, 5))
    with pair(tmp_path) as both:
        assert body_of(both, b"/a.txt") == b"one"
        before = path.stat().st_ctime_ns
        while path.stat().st_ctime_ns == before:  # where the kernel's times are coarse, until they have moved
            path.write_bytes(b"two")
            os.utime(path, ns=(5, 5))
        assert body_of(both, b"/a.txt") == b"two"


def test_a_link_that_is_turned_to_a_twin_is_seen(tmp_path: Path) -> None:
    """Two files of one length and one moment: only their numbers tell them apart."""
    twins = [tmp_path / "one", tmp_path / "two"]
    while True:
        for path in twins:
            path.unlink(missing_ok=True)
            path.write_bytes(path.name.encode())
        for path in twins:
            os.utime(path, ns=(5, 5))
        if len({path.stat().st_ctime_ns for path in twins}) == 1:
            break
    link = tmp_path / "link.txt"
    with pair(tmp_path) as both:
        for path in twins * 3:
            link.unlink(missing_ok=True)
            link.symlink_to(path.name)
            assert body_of(both, b"/link.txt") == path.name.encode()


def test_a_young_file_is_not_kept_in_memory(tmp_path: Path) -> None:
    """On a file system with coarse times a second write may leave no trace, so its bytes are read each time."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"one")
    with pair(tmp_path) as both:
        for _ in range(200):
            for text in (b"one", b"two"):
                with path.open("r+b", buffering=0) as file:
                    file.write(text)
                outcome = both.ask(wire(b"/a.txt"), int(time.time()))
                assert not isinstance(outcome, Deferred)


def test_a_sibling_counts_from_the_moment_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_bytes(b"plain")
    with pair(tmp_path) as both:
        accept = b"Accept-Encoding: br, gzip"
        assert body_of(both, b"/a.css", accept) == b"plain"
        (tmp_path / "a.css.gz").write_bytes(b"gzipped")
        assert body_of(both, b"/a.css", accept) == b"gzipped"
        (tmp_path / "a.css.br").write_bytes(b"brotli")
        assert body_of(both, b"/a.css", accept) == b"brotli"
        os.utime(tmp_path / "a.css.br", (1, 1))
        assert body_of(both, b"/a.css", accept) == b"gzipped"
        (tmp_path / "a.css.gz").unlink()
        assert body_of(both, b"/a.css", accept) == b"plain"
