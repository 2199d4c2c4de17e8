"""Build askr-shm's kernel `askr_shm._kernel` in place.

python build_kernel.py
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "src"))  # this package is not installed yet

from askr_shm.kernel_build import BuildError, Kernel, build  # noqa: E402

SOURCES = HERE / "csrc"
HEADERS = ("askr_base.h", "askr_arena.h", "askr_ring.h", "askr_slab.h", "askr_head.h", "askr_pool.h")  # in this order

KERNEL = Kernel(
    module="_kernel",
    package=HERE / "src" / "askr_shm",
    headers=[SOURCES / name for name in HEADERS],
    included=HEADERS,
    sources=sorted(SOURCES.glob("*.c")),
    include_dirs=[SOURCES],
)

if __name__ == "__main__":
    try:
        print(build(KERNEL))
    except BuildError as error:
        sys.exit(f"build_kernel: {error}")
