"""The site in C routes as askr_http.routing does, or defers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_site import Answer, Deferred, Pair, Policy, pair, wire

from askr_http.routing import Script

FILES = [
    "index.php", "wp-login.php", "wp-admin/index.php", "wp-admin/options.php", "docs/index.html", "both/index.php", "both/index.html",
    "css/app.css", "css/app.css.br", "css/app.css.gz", "css/build/x.js", "upload/x.jpg", ".env", ".git/config", ".well-known/acme", ".well-known/.x",
    "config.php.bak", "old.php~", "page.phtml", "lib.inc", "a b.txt", "a+b.txt", "a.php/inner.txt", "a.php/index.html", "style.php.css", "app.phar",
    "shell.PHP", "café.txt", "backup.sql.old", "nested.php/real.php", "nested.php/deep.php/x.txt", "x.php7", "x.phpx", "x.PHAR", "a\\b.txt", "%61.txt",
    "empty.txt", "build/a.css", "plain", "dots.", "...", "a..b", "dir with space/index.html", "blog/post/nothing-here",
]  # fmt: skip
LINKS = {
    "in.css": "css/app.css", "in-dir": "css", "out.txt": "../secret.txt", "out-dir": "..", "loop": "loop", "gone": "missing", "out.php": "../secret.php",
    "in.php": "wp-login.php", "wrong.php": "css/app.css", "php-dir.php": "wp-admin", "sneaky/index.php": "../../secret.php", "linked": "docs",
    "out.css.gz": "../secret.txt", "over": "missing/../plain",
}  # fmt: skip
NOW = int(time.time()) + 1000

POLICIES = [
    Policy(),
    Policy(scripts=False),
    Policy(front=""),
    Policy(follows=True),
    Policy(front="wp-admin/index.php", scripts=False, follows=True),
    Policy(files=2, small_bytes=0),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("base")
    root = base / "root"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"this is {name}" if name != "empty.txt" else "")
    (base / "secret.txt").write_text("secret")
    (base / "secret.php").write_text("secret")
    (root / "sneaky").mkdir()
    (root / "out.css").write_text("has a sibling that is outside")
    for name, text in LINKS.items():
        (root / name).symlink_to(text)
    (root / "absolute.txt").symlink_to(root / "plain")
    (root / "absolute-dir").symlink_to(root / "docs")
    (root / "over-nothing").symlink_to(root / "missing/../plain")
    os.mkfifo(root / "fifo")
    os.mkfifo(root / "fifo.php")
    return root


@pytest.fixture(scope="module", params=POLICIES, ids=str)
def both(root: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    with pair(root, request.param) as both:
        yield both


NAMES = st.sampled_from(
    sorted({part for name in [*FILES, *LINKS, "absolute.txt", "absolute-dir", "over-nothing", "fifo", "fifo.php"] for part in name.split("/")})
)  # fmt: skip
ODD = st.sampled_from(
    [
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        ".%2e",
        "%2f",
        "css%2fapp.css",
        "%5c",
        "a" * 255,
        "a" * 256,
        "%ff",
        "x.php",
        "%70lain",
        "%",
    ]
)


@st.composite
def escaped(draw: st.DrawFn, name: str) -> str:
    """Return a name with what must be escaped, and some of what need not be."""
    out = []
    for byte in name.encode():
        if byte <= 0x20 or byte >= 0x7F or byte == 0x25 or draw(st.integers(0, 15)) == 0:
            out.append(f"%{byte:02x}" if draw(st.booleans()) else f"%{byte:02X}")
        else:
            out.append(chr(byte))
    return "".join(out)


COMPONENTS = st.one_of(NAMES.flatmap(escaped), NAMES.flatmap(escaped), NAMES.flatmap(escaped), ODD)
WHOLE = st.sampled_from([*FILES, *LINKS]).flatmap(
    lambda name: st.tuples(*(escaped(part) for part in name.split("/"))).map("/".join)
)
TARGETS = st.tuples(
    st.sampled_from(["/", "/", "/", "//", "/./", "/../"]),
    st.one_of(WHOLE, st.lists(COMPONENTS, max_size=5).map("/".join)),
    st.sampled_from(["", "", "", "/", "//", "/.", "/..", "/x", "/index.php", "/index.html", "?a=b", "?/../x.php"]),
).map("".join)
METHODS = st.sampled_from([b"GET"] * 4 + [b"HEAD", b"POST", b"DELETE", b"PROPFIND", b"OPTIONS"])


@settings(deadline=None, max_examples=200)  # the machine's speed is not what is tested
@given(target=TARGETS, method=METHODS)
def test_any_path_is_routed_alike_or_deferred(both: Pair, target: str, method: bytes) -> None:
    both.ask(wire(target.encode(), method=method), NOW)


@settings(deadline=None, max_examples=60)  # the machine's speed is not what is tested
@given(path=st.binary(max_size=40))
def test_any_bytes_are_routed_alike_or_deferred(both: Pair, path: bytes) -> None:
    both.ask(wire(b"/" + path), NOW)
    both.ask(wire(b"/" + b"".join(b"%%%02x" % byte for byte in path)), NOW)


@pytest.mark.parametrize(
    "target",
    [
        "/", "/index.php", "/index.php/x", "/css/app.css", "/plain", "/empty.txt", "/docs/", "/wp-admin/", "/blog/post", "/nothing", "/.env", "/css/",
        "/upload/x.jpg/y.php", "/upload", "/in.css", "/in-dir/app.css", "/in.php", "/fifo", "/gone", "/loop", "/a%20b.txt", "/caf%C3%A9.txt",
        "/css/../x", "/.well-known/acme", "/php-dir.php/options.php", "/linked/",
    ],
)  # fmt: skip
def test_the_usual_is_not_deferred(root: Path, target: str) -> None:
    with pair(root) as both:
        for _ in range(3):
            both.ask(wire(target.encode()), NOW)
        assert (both.asked, both.deferred) == (3, 0)


@pytest.mark.parametrize(
    "target", ["/docs", "/wp-admin?a=b", "/both", "/out.txt", "/out-dir/secret.txt", "/absolute.txt", "/" + "a" * 3000]
)
def test_the_rare_is_deferred(root: Path, target: str) -> None:
    with pair(root) as both:
        for _ in range(2):
            assert isinstance(both.ask(wire(target.encode()), NOW), Deferred)


@pytest.mark.parametrize("target", ["/out.txt", "/out.php", "/out-dir/secret.txt", "/sneaky/", "/sneaky/index.php"])
def test_what_is_outside_is_never_given_out(root: Path, target: str) -> None:
    with pair(root) as both:
        outcome = both.ask(wire(target.encode()), NOW)
        assert not isinstance(outcome, Answer)
        assert not isinstance(outcome, Script) or outcome.name == b"/index.php"


def test_the_fifo_blocks_nobody(root: Path) -> None:
    with pair(root, Policy(front="")) as both:
        for target in (b"/fifo", b"/fifo.php", b"/fifo/"):
            outcome = both.ask(wire(target), NOW)
            assert isinstance(outcome, Answer)
            assert outcome.status == 404
