"""Where things are: the checkout, the cache, the vendor PHP, the applications."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
CHECKOUT = BENCH.parent
DOCROOT = BENCH / "docroot"
RESULTS = BENCH / "results"
ASKR = CHECKOUT / ".venv/bin/askr"


class SetupError(Exception):
    """Raised when something that a measurement needs is not there; the text says what to do."""


def cache() -> Path:
    """Return the folder of all of Askr's caches: $ASKR_CACHE, or ~/.cache/askr."""
    return Path(os.environ.get("ASKR_CACHE") or "~/.cache/askr").expanduser().absolute()


def vendor_prefix() -> Path:
    """Return the prefix of the PHP that is built from source.

    Raises SetupError when it is not built.
    """
    script = CHECKOUT / "vendor/php-src/build.py"
    found = subprocess.run([sys.executable, script, "prefix"], check=False, capture_output=True, text=True)
    if found.returncode != 0:
        raise SetupError("PHP is not built from source yet; run: make php")
    return Path(found.stdout.split()[-1])


def tool(name: str, package: str) -> str:
    """Return the path of a program, also where only root looks.

    Raises SetupError when it is not installed.
    """
    for folder in [*os.environ["PATH"].split(":"), "/usr/sbin", "/usr/local/go/bin"]:
        path = Path(folder, name)
        if os.access(path, os.X_OK):
            return str(path)
    raise SetupError(f"{name} is not installed; run: apt-get install {package}")


def laravel() -> Path:
    """Lay the Laravel application out, unless it is, and return the application's folder.

    Raises SetupError when that fails.
    """
    command = [sys.executable, "-m", "scripts.apps", "laravel"]
    done = subprocess.run(command, check=False, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    words = done.stdout.split()
    if done.returncode != 0 or not words:
        raise SetupError("the Laravel application could not be laid out; run: python3 -m scripts.apps laravel")
    return Path(words[-1]) / "app"
