"""Build askr-http's kernel `askr_http._kernel` in place: the native wire in C, and the module that cffi generates around it.

    python build_kernel.py

Our C, and askr-shm's beside it, is compiled first, with warnings as errors, and then linked with what cffi generates.
The regions between the cffi markers of the headers are the cdef.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "csrc"
PACKAGE = HERE / "src" / "askr_http"
MODULE = "_kernel"
SHM_HEADERS = ("askr_base.h",)
HEADERS = (
    "askr_slice.h",
    "askr_h1_codec.h",
    "askr_answers.h",
    "askr_h1_writer.h",
    "askr_access_line.h",
    "askr_cgi.h",
    "askr_site.h",
    "askr_wire.h",
)  # in this order
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
CFLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-fPIC", "-fvisibility=hidden", "-pthread", *WARNINGS]


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
    text = re.sub(r"/\*.*?\*/", "", "".join(regions), flags=re.DOTALL)
    return re.sub(r"(#define \w+) +UINT64_MAX", r"\1 ...", text)


def compile_own_c(work: Path) -> list[str]:
    """Compile our C, all files at a time, and return the object files.

    Raises:
        SystemExit: the compiler refused a file; its words are on stderr.
    """
    shm = shm_sources()
    jobs: list[tuple[Path, Path, subprocess.Popen[bytes]]] = []
    for source in [*sorted(SOURCES.glob("*.c")), *sorted(shm.glob("askr_*.c"))]:
        target = work / f"{source.stem}.o"
        command = [os.environ.get("CC", "cc"), *CFLAGS, f"-I{SOURCES}", f"-I{shm}"]
        jobs.append((source, target, subprocess.Popen([*command, "-c", str(source), "-o", str(target)])))
    failed = [source.name for source, _, job in jobs if job.wait() != 0]
    if failed:
        message = f"build_kernel: the compiler refused {', '.join(failed)} (see above)"
        raise SystemExit(message)
    return [str(target) for _, target, _ in jobs]


def build() -> Path:
    """Build the kernel and return the path of the module."""
    with tempfile.TemporaryDirectory(prefix="askr-http-") as folder:
        work = Path(folder)
        objects = compile_own_c(work)
        shm = shm_sources()
        ffi = cffi.FFI()
        ffi.cdef("".join(cdef(shm / name) for name in SHM_HEADERS) + "".join(cdef(SOURCES / name) for name in HEADERS))
        ffi.set_source(
            MODULE,
            "\n".join(f'#include "{name}"' for name in HEADERS),
            include_dirs=[str(SOURCES), str(shm)],
            extra_objects=objects,
            extra_compile_args=["-O2", "-fvisibility=hidden", "-pthread", "-w"],  # generated code is not ours to correct
        )
        built = Path(ffi.compile(tmpdir=str(work), verbose=False))
        target = PACKAGE / f"{MODULE}{sysconfig.get_config_var('EXT_SUFFIX')}"
        partial = target.with_suffix(".partial")
        shutil.copyfile(built, partial)
        partial.replace(target)  # a process that has the old one mapped keeps it
    return target


if __name__ == "__main__":
    print(build())
