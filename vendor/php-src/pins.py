"""What is pinned: releases of PHP with their checksums, and profiles of configure flags."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
CFLAGS = "-O2 -fPIC"
PLAN_FORMAT = 1  # raised when build.py lays a prefix out differently


class BuildError(Exception):
    """Raised when PHP cannot be built; the text says what happened and what to do."""


@dataclasses.dataclass(frozen=True)
class Release:
    """One upstream release: its version and the SHA-256 of its tarball."""

    version: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """One build: a branch's releases, in the order in which they are tried, and a profile."""

    branch: str
    profile: str
    source_package: str
    releases: tuple[Release, ...]
    flags: tuple[str, ...]
    packages: tuple[str, ...]

    def prefix(self, release: Release) -> pathlib.Path:
        """Where this release is installed."""
        return cache() / "php" / f"{release.version}-{self.profile}"

    def fingerprint(self, release: Release) -> str:
        """A digest of all that decides what the build produces; another one makes a prefix stale."""
        system = platform.freedesktop_os_release()
        facts = [
            PLAN_FORMAT,
            release.version,
            release.sha256,
            self.flags,
            CFLAGS,
            platform.machine(),
            system.get("ID", ""),
            system.get("VERSION_ID", ""),  # another system has other libraries
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def is_built(self, release: Release) -> bool:
        """True when the prefix holds a finished build of exactly this plan."""
        try:
            return (self.prefix(release) / ".complete").read_text().split()[0] == self.fingerprint(release)
        except (OSError, IndexError):
            return False

    def built(self) -> Release | None:
        """The first release of the branch that is built, or None."""
        return next((release for release in self.releases if self.is_built(release)), None)


def cache() -> pathlib.Path:
    """The folder of all of Askr's caches: $ASKR_CACHE, or ~/.cache/askr."""
    return pathlib.Path(os.environ.get("ASKR_CACHE") or "~/.cache/askr").expanduser().absolute()


def load_plan(branch: str | None, profile: str) -> Plan:
    """Read the pins of one branch (None: the default one) and one profile.

    Raises BuildError when either is not pinned.
    """
    versions = tomllib.loads((HERE / "versions.toml").read_text())
    profiles = tomllib.loads((HERE / "profiles.toml").read_text())
    branch = branch or str(versions["default"])
    if branch not in versions["branch"]:
        known = ", ".join(versions["branch"])
        message = f"PHP {branch} is not pinned (pinned: {known}); {HERE}/versions.toml says how to pin it"
        raise BuildError(message)
    if profile not in profiles:
        message = f"there is no profile {profile} (there are: {', '.join(profiles)})"
        raise BuildError(message)
    pins = versions["branch"][branch]
    flags: list[str] = list(pins["flags"])
    packages: list[str] = []
    name: str | None = profile
    while name is not None:
        flags += profiles[name]["flags"]
        packages += profiles[name]["packages"]
        name = profiles[name].get("extends")
    releases = tuple(Release(row["version"], row["sha256"]) for row in pins["release"])
    return Plan(branch, profile, pins["package"], releases, tuple(sorted(flags)), tuple(sorted(packages)))
