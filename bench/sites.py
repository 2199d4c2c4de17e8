"""The two sites: the documents of this folder, and a Laravel application made ready for production."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bench import documents
from bench.paths import CHECKOUT, SetupError, laravel, vendor_prefix
from bench.peers.base import Site


def document_site(folder: Path) -> Site:
    """Make the document root below `folder`."""
    root = documents.lay_out(folder)
    return Site("documents", root, root / "worker.php", "/hello.php", root)


def laravel_site(folder: Path) -> Site:
    """Copy the Laravel application below `folder` and let it cache its configuration, routes and views.

    The tests use the original, so it stays as it is. The caches help every peer, and PHP-FPM most: it boots the
    application for each request.

    Raises SetupError.
    """
    copy = folder / "laravel"
    # Times are kept: OPcache does not store a file that changed within the last seconds.
    subprocess.run(["cp", "-a", "--reflink=auto", laravel(), copy], check=True)
    subprocess.run(["chmod", "-R", "u+w", copy], check=True)
    php = os.fspath(vendor_prefix() / "bin/php")
    done = subprocess.run(
        [php, "artisan", "optimize", "--no-ansi"], check=False, cwd=copy, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SetupError(f"artisan optimize failed: {done.stdout}{done.stderr}")
    return Site("laravel", copy / "public", CHECKOUT / "examples/laravel-worker.php", "/hello", copy)


SITES = {"documents": document_site, "laravel": laravel_site}
