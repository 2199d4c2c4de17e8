"""Build askr-php's kernel: PHP's SAPI in C as a cffi extension module.

    python build_kernel.py --php system             against the distribution's libphp.so (php-config on PATH)
    python build_kernel.py --php vendor --prefix DIR   with the static libphp.a of vendor/php-src inside

The module is written into src/askr_php/ as `_kernel_system` or `_kernel_vendor`; both can exist side by side.
Our own C, and askr-shm's beside it, is compiled first and then linked with what cffi generates (askr_shm.kernel_build).
The region between the cffi markers of csrc/askr_php.h is the cdef.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEXT_DOOR = HERE.parent / "askr-shm" / "src"
if NEXT_DOOR.is_dir():  # a checkout; anywhere else askr-shm is installed
    sys.path.insert(0, str(NEXT_DOOR))

from askr_shm import sources  # noqa: E402
from askr_shm.kernel_build import BuildError, Kernel, build  # noqa: E402

SOURCES = HERE / "csrc"
SHM_SOURCES = Path(sources.directory())
PHP_CONFIGS = ("php-config", "php-config8.4", "php-config8.3", "php-config8.2", "php-config8.5")


@dataclass(frozen=True)
class PhpBuild:
    """One PHP to link with: `name` is "system" or "vendor", the rest are compiler and linker arguments."""

    name: str
    includes: list[str]
    defines: list[str]
    link: list[str]


def find_system_php() -> PhpBuild:
    """Return the distribution's PHP.

    Raises:
        BuildError: no php-config, a thread-safe PHP, or no embed library beside it.
    """
    candidates = [os.environ.get("ASKR_PHP_CONFIG", ""), *PHP_CONFIGS]
    tool = next((path for name in candidates if name and (path := shutil.which(name))), None)
    if tool is None:
        message = "no php-config found: install the distribution's PHP development and embed packages (php-dev, libphp-embed), or use --php vendor"
        raise BuildError(message)

    def ask(option: str) -> str:
        return subprocess.run([tool, option], check=True, capture_output=True, text=True).stdout.strip()

    major_minor = ".".join(ask("--version").split(".")[:2])
    lib_dir = Path(ask("--prefix")) / "lib"
    names = (f"libphp{major_minor}.so", "libphp.so")
    library = next((lib_dir / name for name in names if (lib_dir / name).exists()), None)
    if library is None:
        message = f"{tool} is there, but {lib_dir}/{names[0]} is not: install libphp{major_minor}-embed"
        raise BuildError(message)
    return PhpBuild("system", ask("--includes").replace("-I", "-isystem ").split(), [], [str(library)])


def find_vendor_php(prefix: Path) -> PhpBuild:
    """Return the static build under `prefix`.

    Raises:
        BuildError: there is none.
    """
    archive = prefix / "lib" / "libphp.a"
    if not archive.exists():
        message = f"{archive} is missing: run `make php` first"
        raise BuildError(message)
    base = prefix / "include" / "php"
    includes = [
        part
        for folder in ("", "main", "Zend", "TSRM", "ext", "ext/date/lib")
        for part in ("-isystem", str(base / folder))
    ]
    opcache = prefix / "lib" / "libphp-opcache.a"  # up to PHP 8.4; later it is inside libphp.a
    archives = [*([str(opcache)] if opcache.exists() else []), str(archive)]
    libraries = shlex.split((prefix / "lib" / "libphp.libs").read_text(encoding="utf-8"))
    # PHP's symbols stay private: no clash with CPython's own sqlite, zlib, expat, and no other module can bind to them.
    link = [
        "-Wl,--start-group",
        *archives,
        "-Wl,--end-group",
        "-Wl,--exclude-libs,ALL",
        "-Wl,-Bsymbolic",
        "-Wl,--wrap=fcntl",  # csrc/php_accel.h
        "-Wl,--wrap=zend_set_timeout,--wrap=zend_unset_timeout",  # csrc/php_deadline.h
        *libraries,
        "-lstdc++",
        "-lm",
        "-lresolv",
    ]
    return PhpBuild("vendor", includes, ["-DASKR_PHP_STATIC"], link)


def package_version() -> str:
    """Return the version in pyproject.toml, which the PHP module shows as its own."""
    match = re.search(r'^version = "([^"]+)"', (HERE / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return match.group(1) if match else "0"


def kernel_for(php: PhpBuild) -> Kernel:
    """Return the kernel with `php` inside."""
    return Kernel(
        module=f"_kernel_{php.name}",
        package=HERE / "src" / "askr_php",
        headers=[SOURCES / "askr_php.h"],
        included=["askr_php.h"],
        sources=[*sorted(SOURCES.glob("*.c")), *sorted(SHM_SOURCES.glob("askr_*.c"))],
        include_dirs=[SOURCES, SHM_SOURCES],
        flags=["-std=gnu11", f'-DASKR_PHP_VERSION="{package_version()}"', *php.defines, *php.includes],
        link=php.link,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0, or 1 with a sentence on stderr."""
    parser = argparse.ArgumentParser(description="Build askr-php's kernel.")
    parser.add_argument("--php", choices=("system", "vendor"), required=True)
    parser.add_argument("--prefix", type=Path, help="vendor: where make php installed PHP")
    options = parser.parse_args(arguments)
    try:
        if options.php == "system":
            php = find_system_php()
        elif options.prefix is None:
            parser.error("--php vendor needs --prefix")
        else:
            php = find_vendor_php(options.prefix)
        print(build(kernel_for(php)))
    except BuildError as error:
        print(f"build_kernel: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
