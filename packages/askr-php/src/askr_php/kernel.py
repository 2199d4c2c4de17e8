"""Which PHP this process runs: the choice and the loading of a kernel.

A kernel is askr-php's C with one PHP: `_kernel_vendor` has the static PHP of vendor/php-src inside, `_kernel_system` uses the
distribution's libphp.so.
A process loads one of them, once; PHP cannot be unloaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any, Literal, get_args

KernelName = Literal["vendor", "system"]

PREFERENCE: tuple[KernelName, ...] = ("vendor", "system")


class KernelNotFoundError(Exception):
    """Raised when there is no kernel to load; the text says which command builds one."""


def available() -> list[KernelName]:
    """Return the kernels that are built, the preferred one first."""
    return [name for name in PREFERENCE if importlib.util.find_spec(f"askr_php._kernel_{name}")]


def choose(wanted: str | None = None) -> KernelName:
    """Return the kernel to use: `wanted`, else what ASKR_PHP names, else the preferred one that is built.

    Raises:
        KernelNotFoundError: it is not built, or the name is none of "vendor" and "system".
    """
    name = wanted or os.environ.get("ASKR_PHP") or ""
    built = available()
    if not name:
        if not built:
            message = "no PHP kernel is built; run `make dev` (distribution's PHP) or `make dev PHP=vendor`"
            raise KernelNotFoundError(message)
        return built[0]
    for known in get_args(KernelName):
        if name == known:
            if known not in built:
                message = f"the {known} PHP kernel is not built; run `make dev PHP={known}`"
                raise KernelNotFoundError(message)
            return PREFERENCE[PREFERENCE.index(known)]
    message = f"ASKR_PHP is {name!r}; it can be vendor or system"
    raise KernelNotFoundError(message)


def load(name: KernelName) -> Any:
    """Return the extension module with `ffi` and `lib`.

    The distribution's PHP loads extensions (opcache.so, pdo.so …) that expect PHP's symbols in the global scope, so its kernel is opened
    with RTLD_GLOBAL; the static one keeps its symbols to itself.
    """
    before = sys.getdlopenflags()
    if name == "system":
        sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    try:
        return importlib.import_module(f"askr_php._kernel_{name}")
    finally:
        sys.setdlopenflags(before)
