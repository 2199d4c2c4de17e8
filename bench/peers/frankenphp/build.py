"""Build FrankenPHP: a thread-safe PHP of the vendor build's version, then Caddy with the FrankenPHP library.

Both are kept below `<cache>/bench/`; about ten minutes the first time. Go fetches the modules that go.mod names.
The PHP has what the documents and Laravel need, and no more: extensions that are not there cost nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from bench.paths import CHECKOUT, SetupError, cache, tool, vendor_prefix

HERE = Path(__file__).resolve().parent
FLAGS = (
    "--enable-zts",
    "--enable-zend-max-execution-timers",
    "--enable-embed=shared",
    "--disable-cgi",
    "--disable-phpdbg",
    "--disable-zend-signals",
    "--without-pear",
    "--enable-opcache",
    "--enable-mbstring",
    "--enable-pcntl",
    "--with-openssl",
    "--with-zlib",
    "--with-pdo-sqlite",
)
# Caddy's parts that a benchmark does not touch and that would fetch much more.
TAGS = "nowatcher,nomercure,nobrotli,nobadger,nomysql,nopgx"


def binary() -> Path:
    """Return where the server is, built or not."""
    return cache() / "bench/frankenphp/frankenphp"


def php_prefix() -> Path:
    """Return where its PHP is, built or not."""
    return cache() / "bench" / f"php-zts-{_version()}"


def build() -> Path:
    """Build what is not built yet and return the server's path.

    Raises SetupError.
    """
    tool("go", "golang-go")
    work = cache() / "bench"
    work.mkdir(parents=True, exist_ok=True)
    with (work / "frankenphp.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (php_prefix() / ".complete").exists():
            _build_php(work / "build-php-zts")
        stamp, digest = binary().with_suffix(".stamp"), _digest()
        if not binary().exists() or not stamp.exists() or stamp.read_text() != digest:
            _build_server(binary().parent)
            stamp.write_text(digest)
    return binary()


def _version() -> str:
    """Return the version of the vendor build, which every peer of the same version uses."""
    return vendor_prefix().name.rpartition("-")[0]


def _digest() -> str:
    parts = [*(path.read_bytes() for path in (HERE / "go.mod", HERE / "main.go")), _version().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _build_php(work: Path) -> None:
    version = _version()
    source = cache() / "php/downloads" / f"php-{version}.tar.xz"
    pins = tomllib.loads((CHECKOUT / "vendor/php-src/versions.toml").read_text())
    pinned = {row["version"]: row["sha256"] for branch in pins["branch"].values() for row in branch["release"]}
    try:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SetupError(f"{source}: {error.strerror}; `make php` fetches it") from error
    if digest != pinned.get(version):
        raise SetupError(f"{source} does not have the checksum that vendor/php-src/versions.toml pins")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    log = work.with_suffix(".log")
    log.write_text("")
    prefix = php_prefix()
    _run(["tar", "-xf", str(source), "--strip-components=1"], work, {}, log)
    _run(
        ["./configure", f"--prefix={prefix}", f"--with-config-file-path={prefix}/etc", *FLAGS],
        work,
        {"CFLAGS": "-O2"},
        log,
    )
    _run(["make", f"-j{os.environ.get('JOBS') or len(os.sched_getaffinity(0))}"], work, {}, log)
    _run(["make", "install"], work, {}, log)
    (prefix / ".complete").write_text(version)
    shutil.rmtree(work)


def _build_server(folder: Path) -> None:
    """Compile in the cache: Go completes go.mod and writes go.sum beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("go.mod", "main.go"):
        shutil.copyfile(HERE / name, folder / name)
    env = {
        "CGO_ENABLED": "1",
        "CGO_CFLAGS": f"-D_GNU_SOURCE {_php_config('--includes')}",
        "CGO_LDFLAGS": f"{_php_config('--ldflags')} {_php_config('--libs')} -L{php_prefix()}/lib -Wl,-rpath,{php_prefix()}/lib",
    }
    go = tool("go", "golang-go")
    log = folder / "build.log"
    _run([go, "mod", "tidy"], folder, env, log)
    _run([go, "build", "-tags", TAGS, "-o", "frankenphp", "."], folder, env, log)


def _php_config(what: str) -> str:
    command = [str(php_prefix() / "bin/php-config"), what]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _run(command: list[str], folder: Path, env: dict[str, str], log: Path) -> None:
    """Run a step; its output goes to the log."""
    print(f"frankenphp: {' '.join(command)[:100]}", file=sys.stderr, flush=True)
    with log.open("ab") as output:
        done = subprocess.run(
            command, check=False, cwd=folder, env={**os.environ, **env}, stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode != 0:
        raise SetupError(f"{command[0]} {command[1]} failed; see {log}")


if __name__ == "__main__":
    print(build())
