"""Build askr-shm's kernel `askr_shm._kernel` in place: our C, and the module that cffi generates around it.

    python build_kernel.py

Our C is compiled first, with warnings as errors, and then linked with what cffi generates.
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
PACKAGE = HERE / "src" / "askr_shm"
MODULE = "_kernel"
HEADERS = ("askr_base.h", "askr_arena.h", "askr_ring.h", "askr_slab.h", "askr_head.h", "askr_pool.h")  # in this order
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
CFLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-fPIC", "-fvisibility=hidden", *WARNINGS]


def cdef(header: Path) -> str:
    """Return what stands between the cffi markers of `header`, without comments."""
    regions = re.findall(r"/\* cffi:begin \*/(.*?)/\* cffi:end \*/", header.read_text(encoding="utf-8"), re.DOTALL)
    return re.sub(r"/\*.*?\*/", "", "".join(regions), flags=re.DOTALL)


def compile_own_c(work: Path) -> list[str]:
    """Compile our C, all files at a time, and return the object files.

    Raises:
        SystemExit: the compiler refused a file; its words are on stderr.
    """
    jobs: list[tuple[Path, Path, subprocess.Popen[bytes]]] = []
    for source in sorted(SOURCES.glob("*.c")):
        target = work / f"{source.stem}.o"
        command = [os.environ.get("CC", "cc"), *CFLAGS, f"-I{SOURCES}", "-c", str(source), "-o", str(target)]
        jobs.append((source, target, subprocess.Popen(command)))
    failed = [source.name for source, _, job in jobs if job.wait() != 0]
    if failed:
        message = f"build_kernel: the compiler refused {', '.join(failed)} (see above)"
        raise SystemExit(message)
    return [str(target) for _, target, _ in jobs]


def build() -> Path:
    """Build the kernel and return the path of the module."""
    with tempfile.TemporaryDirectory(prefix="askr-shm-") as folder:
        work = Path(folder)
        objects = compile_own_c(work)
        ffi = cffi.FFI()
        ffi.cdef("".join(cdef(SOURCES / name) for name in HEADERS))
        ffi.set_source(
            MODULE,
            "\n".join(f'#include "{name}"' for name in HEADERS),
            include_dirs=[str(SOURCES)],
            extra_objects=objects,
            extra_compile_args=["-O2", "-fvisibility=hidden", "-w"],  # generated code is not ours to correct
        )
        built = Path(ffi.compile(tmpdir=str(work), verbose=False))
        target = PACKAGE / f"{MODULE}{sysconfig.get_config_var('EXT_SUFFIX')}"
        partial = target.with_suffix(".partial")
        shutil.copyfile(built, partial)
        partial.replace(target)  # a process that has the old one mapped keeps it
    return target


if __name__ == "__main__":
    print(build())
