"""Lay an application out once per version of these scripts, and never show a half-finished one.

A layout is a folder `apps/<name>-<key>` in the cache. The key is a hash of every file that shapes it, so changed
scripts make a new layout. It is built under another name and gets its final name last, with a `layout.json` that
was written before; who sees the final name sees a whole layout. A lock makes a second run wait for the first.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.apps import debian
from scripts.apps.php_cli import PhpNeeds, cache_root, find_php

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
KEEP_UNUSED_S = 14 * 86400  # layouts of other branches are left alone for two weeks


@dataclass(frozen=True)
class Build:
    """Where one layout is being built, and with what.

    `app` is the application's own folder (to be made), `root` holds the unpacked packages and does not stay,
    `extra` is for what belongs to the layout beside the application, `log` collects the output of commands.
    """

    app: Path
    root: Path
    extra: Path
    php: str
    log: Path


@dataclass(frozen=True)
class Application:
    """How one application is made.

    `lay_out` does it and returns a sentence that names the version. `sources` are the files and folders, relative to
    this folder, that shape the result besides the modules which all applications share.
    """

    name: str
    packages: tuple[str, ...]
    suite: str
    php: PhpNeeds
    sources: tuple[str, ...]
    lay_out: Callable[[Build], str]


def say(text: str) -> None:
    """Write one line of progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def key_of(application: Application) -> str:
    """Return the hash that names the layout: everything that shapes it goes in."""
    shared = ("commands.py", "composer.py", "debian.py", "layout.py", "php_cli.py")
    digest = hashlib.sha256(debian.PRIVATE_APT.read_bytes())
    for source in sorted((*shared, *application.sources)):
        path = HERE / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"\n{file.relative_to(HERE)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def layout_of(application: Application) -> Path:
    """Return where the layout of `application` is or will be."""
    return cache_root() / "apps" / f"{application.name}-{key_of(application)}"


def ensure(application: Application) -> Path:
    """Return the finished layout of `application`, making it first when it is not there.

    Raises:
        FetchError: PHP, a package or a step is missing or failed; nothing half-made carries the final name.
    """
    final = layout_of(application)
    final.parent.mkdir(parents=True, exist_ok=True)
    with debian.locked(final.parent / f"{application.name}.lock"):
        marker = final / "layout.json"
        if not marker.exists():
            _make(application, final)
        marker.touch()  # the age of the marker is the time since it was last used
        _remove_old(application, final)
    return final


def _make(application: Application, final: Path) -> None:
    started = time.monotonic()
    php = find_php(application.php)
    work = final.with_name(f"{final.name}.new")
    for left_over in (work, final):
        shutil.rmtree(left_over, ignore_errors=True)
    work.mkdir()
    log = final.with_name(f"{application.name}.log")
    log.write_text("", encoding="utf-8")
    say(f"{application.name}: downloading packages")
    packages = debian.download(application.packages, application.suite, log)
    say(f"{application.name}: unpacking {len(packages)} packages")
    root = work / "root"
    debian.unpack(packages, root, log)
    say(f"{application.name}: laying out with {php}")
    build = Build(app=work / "app", root=root, extra=work / "extra", php=php, log=log)
    build.extra.mkdir()
    version = application.lay_out(build)
    shutil.rmtree(root)
    content: dict[str, Any] = {
        "version": version,
        "packages": {p.name: f"{p.version} sha256:{p.sha256()}" for p in packages},
    }
    (work / "layout.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    work.rename(final)
    say(f"{application.name}: {version} ready after {time.monotonic() - started:.0f} s")


def _remove_old(application: Application, final: Path) -> None:
    for other in final.parent.glob(f"{application.name}-*"):
        marker = other / "layout.json"
        if other != final and (not marker.exists() or time.time() - marker.stat().st_mtime > KEEP_UNUSED_S):
            shutil.rmtree(other, ignore_errors=True)
