"""Where the C sources of this package are, for kernels that are compiled together with them."""

from __future__ import annotations

import os
from pathlib import Path


def directory() -> str:
    """The folder with `askr_*.[ch]`: inside an installed package, next to `src` in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "csrc"
    return os.fspath(installed if installed.is_dir() else package.parent.parent / "csrc")
