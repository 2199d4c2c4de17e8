"""How Askr's kernels are built: C compiled with warnings as errors, then linked with the module that cffi generates around it.

The build_kernel.py of each package says what goes in; this is the part that they have in common. It is imported from an installed askr-shm,
or from the one next door in a checkout, and needs no kernel itself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

WARNINGS: Final = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror")
OPTIONS: Final = ("-D_GNU_SOURCE", "-O2", "-g", "-fPIC", "-fvisibility=hidden", "-pthread")
GENERATED: Final = ("-O2", "-fvisibility=hidden", "-pthread", "-w")  # generated code is not ours to correct


class BuildError(Exception):
    """Raised with a sentence that says what is missing, or which file the compiler refused."""


@dataclass(frozen=True)
class Kernel:
    """One kernel.

    Attributes:
        module: The name of the module, without its package.
        package: The folder that it is written into.
        headers: Whose regions between the cffi markers are the cdef, in this order.
        included: Names of the headers that the generated module includes.
        sources: The C files.
        include_dirs: Where headers are looked for.
        flags: Of the compiler, beside the common ones: the standard, definitions.
        link: Of the linker.
    """

    module: str
    package: Path
    headers: Sequence[Path]
    included: Sequence[str]
    sources: Sequence[Path]
    include_dirs: Sequence[Path]
    flags: Sequence[str] = ("-std=c11",)
    link: Sequence[str] = field(default=())


def cdef(header: Path) -> str:
    """Return what stands between the cffi markers of `header`, without comments."""
    regions = re.findall(r"/\* cffi:begin \*/(.*?)/\* cffi:end \*/", header.read_text(encoding="utf-8"), re.DOTALL)
    text = re.sub(r"/\*.*?\*/", "", "".join(regions), flags=re.DOTALL)
    return re.sub(r"(#define \w+) +UINT64_MAX", r"\1 ...", text)  # cffi reads numbers only


def compile_all(kernel: Kernel, work: Path) -> list[str]:
    """Compile the kernel's C, all files at a time, and return the object files.

    Raises:
        BuildError: The compiler refused a file; its words are on stderr.
    """
    command = [
        os.environ.get("CC", "cc"),
        *kernel.flags,
        *OPTIONS,
        *WARNINGS,
        *(f"-I{path}" for path in kernel.include_dirs),
    ]
    jobs: list[tuple[Path, Path, subprocess.Popen[bytes]]] = []
    for source in kernel.sources:
        target = work / f"{source.stem}.o"
        jobs.append((source, target, subprocess.Popen([*command, "-c", str(source), "-o", str(target)])))
    failed = [source.name for source, _, job in jobs if job.wait() != 0]
    if failed:
        message = f"the compiler refused {', '.join(failed)} (see above)"
        raise BuildError(message)
    return [str(target) for _, target, _ in jobs]


def build(kernel: Kernel) -> Path:
    """Build the kernel and return the path of the module.

    Raises:
        BuildError: As `compile_all`.
    """
    import cffi

    with tempfile.TemporaryDirectory(prefix="askr-kernel-") as folder:
        work = Path(folder)
        ffi = cffi.FFI()
        ffi.cdef("".join(map(cdef, kernel.headers)))
        ffi.set_source(
            kernel.module,
            "\n".join(f'#include "{name}"' for name in kernel.included),
            include_dirs=list(map(str, kernel.include_dirs)),
            extra_objects=compile_all(kernel, work),
            extra_compile_args=list(GENERATED),
            extra_link_args=list(kernel.link),
        )
        built = Path(ffi.compile(tmpdir=str(work), verbose=False))
        target = kernel.package / f"{kernel.module}{sysconfig.get_config_var('EXT_SUFFIX')}"
        partial = target.with_suffix(f".partial-{os.getpid()}")
        shutil.copyfile(built, partial)
        partial.replace(target)  # a process that has the old one mapped keeps it
    return target
