"""Build askr-http's kernel `askr_http._kernel` in place: the native wire in C, and askr-shm's C beside it.

python build_kernel.py
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEXT_DOOR = HERE.parent / "askr-shm" / "src"
if NEXT_DOOR.is_dir():  # a checkout; anywhere else askr-shm is installed
    sys.path.insert(0, str(NEXT_DOOR))

from askr_shm import sources  # noqa: E402
from askr_shm.kernel_build import BuildError, Kernel, build  # noqa: E402

SOURCES = HERE / "csrc"
SHM_SOURCES = Path(sources.directory())
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

KERNEL = Kernel(
    module="_kernel",
    package=HERE / "src" / "askr_http",
    headers=[SHM_SOURCES / "askr_base.h", *(SOURCES / name for name in HEADERS)],
    included=HEADERS,
    sources=[*sorted(SOURCES.glob("*.c")), *sorted(SHM_SOURCES.glob("askr_*.c"))],
    include_dirs=[SOURCES, SHM_SOURCES],
)

if __name__ == "__main__":
    try:
        print(build(KERNEL))
    except BuildError as error:
        sys.exit(f"build_kernel: {error}")
