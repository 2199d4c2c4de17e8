"""Download Debian packages with a private apt state and unpack them, installing nothing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.apps.commands import run
from scripts.apps.errors import FetchError
from scripts.apps.php_cli import cache_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PRIVATE_APT = Path(__file__).resolve().parents[1] / "lib" / "private-apt.sh"

# Of what apt would install beside an application, only this belongs to it. The rest is the interpreter,
# the web server and Debian's own plumbing, which the machine has or which nothing here calls.
WANTED = re.compile(r"(composer|jsonlint|php-|libphp-|libjs-|mediawiki|wordpress)")
PLAN_LINE = re.compile(r"Inst (?P<name>\S+) (?:\[\S+\] )?\((?P<version>\S+) .*\[all\]\)")


@dataclass(frozen=True)
class Package:
    """One downloaded package: its name, its Debian version and where the archive is."""

    name: str
    version: str
    archive: Path

    def sha256(self) -> str:
        """Return the digest of the archive, in hexadecimal."""
        return hashlib.sha256(self.archive.read_bytes()).hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; whoever comes later waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def plan(names: Sequence[str], suite: str, log: Path) -> list[tuple[str, str]]:
    """Return (name, version) of every architecture-independent package that `names` need and an application uses."""
    steps = run([PRIVATE_APT, "get", "-s", "-t", suite, "install", "--no-install-recommends", *names], log=log)
    found = (PLAN_LINE.match(line) for line in steps.splitlines())
    return sorted((match["name"], match["version"]) for match in found if match and WANTED.match(match["name"]))


def download(names: Sequence[str], suite: str, log: Path) -> list[Package]:
    """Download `names` and what they need from `suite`; what is in the cache is not downloaded again.

    apt checks every archive against the suite's signed list.

    Raises:
        FetchError: there is no plan, or an archive cannot be had even after the package lists were read again.
    """
    folder = cache_root() / "apt" / "debs"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / "debs.lock"):
        try:
            return _download(plan(names, suite, log), folder, log)
        except FetchError:
            # A moving suite removes what it replaced: the lists may be older than the archive.
            os.environ["ASKR_APT_REFRESH"] = "1"
            try:
                return _download(plan(names, suite, log), folder, log)
            finally:
                del os.environ["ASKR_APT_REFRESH"]


def _download(wanted: Sequence[tuple[str, str]], folder: Path, log: Path) -> list[Package]:
    packages = [
        Package(name, version, folder / f"{name}_{version.replace(':', '%3a')}_all.deb") for name, version in wanted
    ]
    absent = [f"{package.name}={package.version}" for package in packages if not package.archive.exists()]
    if absent:
        run([PRIVATE_APT, "get", "-qq", "download", *absent], cwd=folder, log=log)
    for package in packages:
        if not package.archive.exists():
            message = f"apt did not leave {package.archive}; whole output: {log}"
            raise FetchError(message)
    return packages


def unpack(packages: Sequence[Package], root: Path, log: Path) -> None:
    """Unpack `packages` under `root`.

    Absolute symbolic links become relative to it, and those to files which only an installation would make go.
    """
    root.mkdir(parents=True)
    for package in packages:
        run(["dpkg-deb", "-x", package.archive, root], log=log)
    links = [
        path
        for folder, names, files in os.walk(root)
        for name in (*names, *files)
        if (path := Path(folder, name)).is_symlink()
    ]
    for link in links:
        target = link.readlink()
        if target.is_absolute():
            link.unlink()
            link.symlink_to(os.path.relpath(f"{root}{target}", link.parent))
    for link in links:
        if not link.exists():
            link.unlink()
