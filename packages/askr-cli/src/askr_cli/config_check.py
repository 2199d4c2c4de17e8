"""`askr config-check FILE`: reads a configuration file as `askr serve --config` would, and shows what it means."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from askr_cli.config_file import ConfigError
from askr_cli.resolve import resolve_settings

if TYPE_CHECKING:
    from askr_cli.options import Settings


def rows(settings: Settings) -> list[tuple[str, str]]:
    """Return what the contract's `config-check` shows, as names and values."""
    is_worker_mode = settings.worker_script is not None
    shown = [
        ("listen", str(settings.listen)),
        ("root", settings.root or "public if it is a directory, else ."),
        ("front", settings.front_controller or "none: what no file answers is 404"),
        ("workers", "auto" if settings.workers is None else str(settings.workers)),
        ("wire", settings.wire),
        ("mode", "worker (boot once)" if is_worker_mode else "per-request"),
        ("worker script", settings.worker_script or ""),
        ("max_requests", str(settings.max_requests)),
        ("max_rss_mb", "0"),  # this and the last two are later features: off is what they are
        ("max_body_size", f"{settings.max_body_size} bytes"),
        ("tls", "off"),
        ("admin", "off"),
    ]
    return [(name, value) for name, value in shown if value]


def config_check(path: str) -> int:
    """Check the file at `path`, tell the user, and return the exit code."""
    from askr_cli.output import out

    try:
        settings = resolve_settings({"config": path}, os.environ)
    except ConfigError as error:
        print(f"askr: {error}", file=sys.stderr)
        return 1
    console = out()
    console.mark("ok", f"config OK: {path}", indent=0)
    for name, value in rows(settings):
        console.line(f"  {name + ':':<15}{value}")
    return 0
