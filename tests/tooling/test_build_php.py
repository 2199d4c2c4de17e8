"""What vendor/php-src does before it compiles anything: pins, checksums, and what it says when it may not go on."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PHP_SOURCE = Path(__file__).resolve().parents[2] / "vendor" / "php-src"


def run_build(*args: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PHP_")}
    # No package is installed by a test: the build is told that they do not come from apt.
    env |= {"ASKR_CACHE": str(cache), "ASKR_NO_APT": "1", **environment}
    command = [sys.executable, str(PHP_SOURCE / "build.py"), *args]
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True)


def test_every_release_is_pinned_by_version_and_checksum() -> None:
    versions = tomllib.loads((PHP_SOURCE / "versions.toml").read_text())
    assert versions["default"] in versions["branch"]
    for branch, pins in versions["branch"].items():
        for release in pins["release"]:
            assert release["version"].startswith(branch + ".")
            assert re.fullmatch("[0-9a-f]{64}", release["sha256"])


def test_a_tarball_that_is_not_pinned_is_refused_and_nothing_is_built(tmp_path: Path) -> None:
    tarball = tmp_path / "php-8.4.99.tar.xz"
    tarball.write_bytes(b"not PHP")
    done = run_build("build", cache=tmp_path / "cache", PHP_TARBALL=str(tarball))
    assert done.returncode == 1
    assert hashlib.sha256(b"not PHP").hexdigest() in done.stderr
    assert "not pinned" in done.stderr
    assert not list(tmp_path.glob("cache/php/*"))


def test_a_tarball_that_is_missing_is_named(tmp_path: Path) -> None:
    done = run_build("build", cache=tmp_path, PHP_TARBALL="/nowhere/php.tar.xz")
    assert done.returncode == 1
    assert "PHP_TARBALL=/nowhere/php.tar.xz: No such file or directory" in done.stderr


def test_a_prefix_that_is_not_built_names_the_command_that_builds_it(tmp_path: Path) -> None:
    done = run_build("prefix", cache=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "make php" in done.stderr


def test_a_prefix_of_another_plan_is_stale(tmp_path: Path) -> None:
    version = tomllib.loads((PHP_SOURCE / "versions.toml").read_text())["branch"]["8.4"]["release"][0]["version"]
    prefix = tmp_path / "php" / f"{version}-full"
    prefix.mkdir(parents=True)
    (prefix / ".complete").write_text(f"{'0' * 64} {version}\n")
    assert run_build("prefix", cache=tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("option", "value", "known"), [("--branch", "7.4", "8.4"), ("--profile", "tiny", "core, full")]
)
def test_what_is_not_pinned_is_answered_with_what_is(option: str, value: str, known: str, tmp_path: Path) -> None:
    done = run_build("prefix", option, value, cache=tmp_path)
    assert done.returncode == 1
    assert value in done.stderr
    assert known in done.stderr


def test_the_profile_full_needs_what_core_needs(tmp_path: Path) -> None:
    core, full = (run_build("packages", "--profile", name, cache=tmp_path).stdout.split() for name in ("core", "full"))
    assert set(core) < set(full)
