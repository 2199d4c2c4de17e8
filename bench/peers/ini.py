"""One php.ini for every peer."""

from __future__ import annotations

from pathlib import Path

SETTINGS = {
    "opcache.enable": "1",
    "opcache.enable_cli": "1",
    "opcache.memory_consumption": "128",
    "opcache.max_accelerated_files": "10000",
    "opcache.validate_timestamps": "1",
    "opcache.revalidate_freq": "2",
    "opcache.jit": "disable",
    "opcache.jit_buffer_size": "0",
    "memory_limit": "128M",
    "max_execution_time": "30",
    "output_buffering": "4096",
    "display_errors": "0",
    "log_errors": "1",
    "variables_order": "GPCS",
    "register_argc_argv": "0",
    "auto_globals_jit": "1",
    "zend.assertions": "-1",
}


def text(extra: tuple[str, ...] = ()) -> str:
    """Return the lines of the php.ini; `extra` come first."""
    return "\n".join([*extra, *(f"{name}={value}" for name, value in SETTINGS.items())]) + "\n"


def write(folder: Path, opcache: Path | None, extra: tuple[str, ...] = ()) -> Path:
    """Write the php.ini, with `extra` lines, for a PHP whose OPcache is the shared extension `opcache` (None: built in)."""
    path = folder / "php.ini"
    path.write_text(text((*((f"zend_extension={opcache}",) if opcache else ()), *extra)))
    return path
