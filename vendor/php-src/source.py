"""Where PHP's source comes from: a tarball given by the user, or the distribution's source package.

Both are upstream's release tarball, byte for byte, so both are judged by the same pinned checksum.
No host is named here: packages come from the archive that this machine's apt already uses.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from pins import CHECKOUT, BuildError, Plan, Release, cache

PRIVATE_APT = CHECKOUT / "scripts" / "lib" / "private-apt.sh"
CHECKSUM_LINE_FIELDS = 3  # digest, size in bytes, file name


def tarball(plan: Plan) -> tuple[Release, pathlib.Path]:
    """Find the source of one of the plan's releases; its checksum has been verified.

    Raises BuildError when there is none, or when $PHP_TARBALL is not one of the pinned files.
    """
    if given := os.environ.get("PHP_TARBALL"):
        return _given(plan, pathlib.Path(given))
    downloads = cache() / "php" / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    for release in plan.releases:
        kept = downloads / f"php-{release.version}.tar.xz"
        if kept.exists():
            if sha256(kept) == release.sha256:
                return release, kept
            kept.unlink()  # torn or tampered with: get it again
    for release, package_version in _offered(plan):
        kept = downloads / f"php-{release.version}.tar.xz"
        if _download(plan, release, package_version, kept):
            return release, kept
    wanted = ", ".join(release.version for release in plan.releases)
    message = (
        f"no source of PHP {plan.branch} in reach: the archive has none of the pinned releases ({wanted}).\n"
        f"Get upstream's php-{plan.releases[0].version}.tar.xz and run: make php PHP_TARBALL=/path/to/it"
    )
    raise BuildError(message)


def sha256(path: pathlib.Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _given(plan: Plan, path: pathlib.Path) -> tuple[Release, pathlib.Path]:
    try:
        digest = sha256(path)
    except OSError as error:
        message = f"PHP_TARBALL={path}: {error.strerror}"
        raise BuildError(message) from error
    for release in plan.releases:
        if release.sha256 == digest:
            return release, path
    pinned = "\n".join(f"  {release.sha256}  php-{release.version}.tar.xz" for release in plan.releases)
    message = f"PHP_TARBALL={path} has SHA-256 {digest}, which is not pinned; the pinned ones are\n{pinned}"
    raise BuildError(message)


def _offered(plan: Plan) -> list[tuple[Release, str]]:
    """The plan's releases that the archive lists, each with its source package's version."""
    listing = _private_apt("cache", "showsrc", plan.source_package)
    if listing.returncode != 0:
        message = (
            f"the distribution's source packages cannot be listed:\n{listing.stderr.strip()}\n"
            f"Without them, run: make php PHP_TARBALL=/path/to/php-{plan.releases[0].version}.tar.xz"
        )
        raise BuildError(message)
    offered: list[tuple[Release, str]] = []
    for paragraph in listing.stdout.split("\n\n"):
        lines = paragraph.splitlines()
        version = next((line.split()[1] for line in lines if line.startswith("Version: ")), None)
        digests = {fields[0] for line in lines if len(fields := line.split()) == CHECKSUM_LINE_FIELDS}
        offered += [(release, version) for release in plan.releases if version and release.sha256 in digests]
    return sorted(offered, key=lambda pair: plan.releases.index(pair[0]))


def _download(plan: Plan, release: Release, package_version: str, kept: pathlib.Path) -> bool:
    print(f"php: fetching source package {plan.source_package} {package_version}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        spec = f"{plan.source_package}={package_version}"
        done = _private_apt("get", "-qq", "source", "--download-only", spec, cwd=folder)
        for path in pathlib.Path(folder).glob("*.orig.tar.xz"):
            digest = sha256(path)
            if digest != release.sha256:
                message = f"{path.name} has SHA-256 {digest}, pinned is {release.sha256}: nothing was built"
                raise BuildError(message)
            shutil.move(path, kept)
            return True
    # An index may list files that are already gone from the mirror: the next release is tried.
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    print(f"php: the archive lists it and did not deliver it: {reason}", file=sys.stderr, flush=True)
    return False


def _private_apt(*args: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["bash", os.fspath(PRIVATE_APT), *args]
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
