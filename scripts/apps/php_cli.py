"""Find a PHP command line that is new enough and has the extensions that an application needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts.apps.errors import FetchError

PROBE = 'echo PHP_VERSION_ID, " ", strtolower(implode(",", get_loaded_extensions()));'


def cache_root() -> Path:
    """Return the folder of all of Askr's caches (`ASKR_CACHE`, else `~/.cache/askr`)."""
    return Path(os.environ.get("ASKR_CACHE") or Path.home() / ".cache" / "askr")


@dataclass(frozen=True)
class PhpNeeds:
    """What an application asks of PHP.

    `version_id` is PHP_VERSION_ID (80300 is 8.3.0); `extensions` are names in lower case.
    """

    version_id: int
    extensions: tuple[str, ...]

    def missing_from(self, php: str) -> str | None:
        """Return what the interpreter `php` lacks, or None when it will do."""
        found = probe(php)
        if found is None:
            return "does not run"
        version_id, extensions = found
        if version_id < self.version_id:
            return f"is older than {self.version_id // 10000}.{self.version_id // 100 % 100}"
        lacking = sorted(set(self.extensions) - extensions)
        return f"lacks {', '.join(lacking)}" if lacking else None


@cache
def probe(php: str) -> tuple[int, frozenset[str]] | None:
    """Return (PHP_VERSION_ID, extensions) of the interpreter `php`, or None when it does not run."""
    try:
        done = subprocess.run([php, "-r", PROBE], capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return None
    match = re.fullmatch(r"(\d+) ([\w ,]+)", done.stdout.strip())
    return (int(match[1]), frozenset(match[2].split(","))) if match else None


def candidates() -> list[str]:
    """Return the interpreters to try, best first: `ASKR_PHP_CLI` alone, or vendor builds and then the system's."""
    chosen = os.environ.get("ASKR_PHP_CLI")
    if chosen:
        return [chosen]
    builds = sorted(
        cache_root().glob("php/*/bin/php"),
        key=lambda path: ([int(n) for n in re.findall(r"\d+", path.parts[-3])], path.parts[-3].endswith("-full")),
        reverse=True,
    )
    names = ("php8.5", "php8.4", "php8.3", "php")
    return [str(path) for path in builds] + [path for name in names if (path := shutil.which(name))]


def find_php(needs: PhpNeeds) -> str:
    """Return the path of the first interpreter that satisfies `needs`.

    Raises:
        FetchError: there is none; the message names every one that was tried and why it will not do.
    """
    refused = []
    for php in candidates():
        reason = needs.missing_from(php)
        if reason is None:
            return php
        refused.append(f"  {php} {reason}")
    message = "\n".join(
        [
            "no PHP command line will do:",
            *(refused or ["  none was found"]),
            "build one with `make php`, or name one with ASKR_PHP_CLI=...",
        ],
    )
    raise FetchError(message)
