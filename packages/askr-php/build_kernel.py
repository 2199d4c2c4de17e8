"""Build askr-php's kernel: PHP's SAPI in C as a cffi extension module.

    python build_kernel.py --php system             against the distribution's libphp.so (php-config on PATH)
    python build_kernel.py --php vendor --prefix DIR   with the static libphp.a of vendor/php-src inside

The module is written into src/askr_php/ as `_kernel_system` or `_kernel_vendor`; both can exist side by side.
Our own C is compiled first, with warnings as errors, and then linked with what cffi generates.
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
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "csrc"
PACKAGE = HERE / "src" / "askr_php"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
CFLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-fPIC", "-fvisibility=hidden", *WARNINGS]
PHP_CONFIGS = ("php-config", "php-config8.4", "php-config8.3", "php-config8.2", "php-config8.5")


class BuildError(Exception):
    """Raised with a sentence that says what is missing and how to get it."""


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


def shm_sources() -> Path:
    """Return the folder with askr-shm's C, in the checkout or from the installed package."""
    checkout = HERE.parent / "askr-shm" / "csrc"
    if checkout.is_dir():
        return checkout
    import askr_shm.sources

    return Path(askr_shm.sources.directory())


def cdef(header: Path) -> str:
    """Return what stands between the cffi markers of `header`, without comments."""
    regions = re.findall(r"/\* cffi:begin \*/(.*?)/\* cffi:end \*/", header.read_text(encoding="utf-8"), re.DOTALL)
    return re.sub(r"/\*.*?\*/", "", "".join(regions), flags=re.DOTALL)


def package_version() -> str:
    """Return the version in pyproject.toml, which the PHP module shows as its own."""
    match = re.search(r'^version = "([^"]+)"', (HERE / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return match.group(1) if match else "0"


def compile_own_c(php: PhpBuild, work: Path) -> list[str]:
    """Compile our C, several files at a time, and return the object files."""
    shm = shm_sources()
    sources = [*sorted(SOURCES.glob("*.c")), *sorted(shm.glob("askr_*.c"))]
    flags = [
        *CFLAGS,
        f'-DASKR_PHP_VERSION="{package_version()}"',
        *php.defines,
        f"-I{SOURCES}",
        f"-I{shm}",
        *php.includes,
    ]
    jobs: list[tuple[Path, Path, subprocess.Popen[bytes]]] = []
    for source in sources:
        target = work / f"{source.stem}.o"
        command = [os.environ.get("CC", "cc"), *flags, "-c", str(source), "-o", str(target)]
        jobs.append((source, target, subprocess.Popen(command)))
    failed = [source.name for source, _, job in jobs if job.wait() != 0]
    if failed:
        message = f"the compiler refused {', '.join(failed)} (see above)"
        raise BuildError(message)
    return [str(target) for _, target, _ in jobs]


def build(php: PhpBuild) -> Path:
    """Build the kernel for `php` and return the path of the module."""
    module = f"_kernel_{php.name}"
    with tempfile.TemporaryDirectory(prefix="askr-php-") as folder:
        work = Path(folder)
        objects = compile_own_c(php, work)
        ffi = cffi.FFI()
        ffi.cdef(cdef(SOURCES / "askr_php.h"))
        ffi.set_source(
            module,
            '#include "askr_php.h"',
            include_dirs=[str(SOURCES)],
            extra_objects=objects,
            extra_compile_args=["-O2", "-fvisibility=hidden", "-w"],
            extra_link_args=php.link,
        )
        built = Path(ffi.compile(tmpdir=str(work), verbose=False))
        target = PACKAGE / f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"
        partial = target.with_suffix(".partial")
        shutil.copyfile(built, partial)
        partial.replace(target)
    return target


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
        print(build(php))
    except BuildError as error:
        print(f"build_kernel: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
