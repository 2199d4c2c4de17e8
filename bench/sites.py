"""The sites: the documents of this folder, and a Laravel application, ready for production or as it is developed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import documents
from bench.paths import BENCH, CHECKOUT, SetupError, laravel, vendor_prefix
from bench.peers.base import Site


def document_site(folder: Path) -> Site:
    """Make the document root below `folder`."""
    root = documents.lay_out(folder)
    return Site("documents", root, root / "worker.php", "/hello.php", root)


def bare_site(folder: Path) -> Site:
    """Make a document root below `folder` in which nothing answers for what is not there."""
    root = documents.lay_out(folder / "bare")
    return Site("bare", root, root / "worker.php", "/1k.bin", root, has_front=False)


def laravel_site(folder: Path, *, is_cached: bool = True) -> Site:
    """Copy the Laravel application below `folder`; the tests use the original, so it stays as it is. The copy gets one more route.

    With `is_cached`, it caches its configuration, events, routes and views, as a deployment would.

    Raises SetupError.
    """
    name = "laravel" if is_cached else "laravel-uncached"
    copy = folder / name
    # Times are kept: OPcache does not store a file that changed within the last seconds.
    subprocess.run(["cp", "-a", "--reflink=auto", laravel(), copy], check=True)
    subprocess.run(["chmod", "-R", "u+w", copy], check=True)
    shutil.copy(BENCH / "laravel/BenchController.php", copy / "app/Http/Controllers")
    with (copy / "routes/web.php").open("a") as routes:
        routes.write((BENCH / "laravel/routes.php").read_text())
    php = os.fspath(vendor_prefix() / "bin/php")
    command = [php, "artisan", "optimize" if is_cached else "optimize:clear", "--no-ansi"]
    done = subprocess.run(command, check=False, cwd=copy, capture_output=True, text=True)
    if done.returncode != 0:
        raise SetupError(f"{' '.join(command[1:])} failed: {done.stdout}{done.stderr}")
    worker = CHECKOUT / "examples/laravel-worker.php"
    return Site(name, copy / "public", worker, "/bench", copy, {"ASKR_APP_BASE": str(copy)})


SITES: dict[str, Callable[[Path], Site]] = {
    "documents": document_site,
    "bare": bare_site,
    "laravel": laravel_site,
    "laravel-uncached": partial(laravel_site, is_cached=False),
}
