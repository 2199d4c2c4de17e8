"""Which of the two wires serves: the native one, in C, or the pure one, in Python, which is its reference."""

from __future__ import annotations

import importlib
import logging
from typing import Final, Literal

log = logging.getLogger("askr.front")

WireChoice = Literal["auto", "native", "pure"]
WireName = Literal["native", "pure"]
CHOICES: Final[tuple[WireChoice, ...]] = ("auto", "native", "pure")


class WireUnavailableError(Exception):
    """Raised when the wire that was asked for cannot be loaded; the text says why and what to do."""


def choose_wire(choice: WireChoice) -> WireName:
    """Return the wire that `choice` means here.

    Raises:
        WireUnavailableError: It is "native", and the kernel cannot be loaded.
    """
    if choice == "pure":
        return "pure"
    reason = why_not_native()
    if reason is None:
        return "native"
    if choice == "native":
        message = (
            f"the native wire cannot be loaded: {reason}; build it with `make kernel-http`, or serve with --wire pure"
        )
        raise WireUnavailableError(message)
    log.info("the pure wire serves, because the native one cannot be loaded: %s", reason)
    return "pure"


def why_not_native() -> str | None:
    """Return why the native wire cannot be loaded, None if it can."""
    try:
        importlib.import_module(
            "askr_http._kernel"
        )  # not its class: the master asks this, and is to have no event loop in it
    except ImportError as error:
        return str(error)
    return None
