"""Logs on standard error: text for people, JSON lines for machines, and the filter syntax of RUST_LOG.

The C side of a worker writes the same two formats (askr-php's php_log.c).
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

LEVELS: dict[str, int] = {
    "trace": logging.DEBUG,  # the standard library has no finer level
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 10,
}
LEVEL_NAMES: dict[int, str] = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARN",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "ERROR",
}
COLOURS: dict[str, str] = {"DEBUG": "\x1b[34m", "INFO": "\x1b[32m", "WARN": "\x1b[33m", "ERROR": "\x1b[31m"}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def parse_filter(text: str) -> dict[str, int]:
    """Return levels by target from `level` or `target=level`, separated by commas; "" is the target of a lone level.

    A target without a level (`askr`) logs everything, as in RUST_LOG. `::` in a target means what `.` does.

    Raises:
        ValueError: a level does not exist.
    """
    found: dict[str, int] = {}
    for directive in filter(None, (part.strip() for part in text.split(","))):
        target, is_pair, level = directive.partition("=")
        if not is_pair:
            target, level = ("", directive) if directive.lower() in LEVELS else (directive, "trace")
        if level.lower() not in LEVELS:
            message = f"names no level {level!r}; levels are error, warn, info, debug, trace and off"
            raise ValueError(message)
        found[target.replace("::", ".")] = LEVELS[level.lower()]
    return found


def extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what the caller gave as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _stamp(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


class TextFormatter(logging.Formatter):
    """`2026-01-01T12:00:00.000Z  INFO askr: message key=value`; the level in colour when `is_coloured`."""

    def __init__(self, *, is_coloured: bool = False) -> None:
        super().__init__()
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        name = LEVEL_NAMES.get(record.levelno, record.levelname)
        level = f"{name:>5}"
        if self._is_coloured:
            level = f"{COLOURS.get(name, '')}{level}\x1b[0m"
        line = f"{_stamp(record)} {level} {record.name}: {record.getMessage()}"
        for key, value in extra_fields(record).items():
            shown = str(value)
            line += f" {key}={json.dumps(shown) if ' ' in shown or not shown else shown}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ts, level, target, msg, then the fields that the caller gave."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        entry: dict[str, object] = {
            "ts": _stamp(record),
            "level": LEVEL_NAMES.get(record.levelno, record.levelname),
            "target": record.name,
            "msg": record.getMessage(),
        }
        entry.update({key: value for key, value in extra_fields(record).items() if key not in entry})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def configure(log_format: str, log_filter: str, stream: TextIO | None = None) -> None:
    """Send the logs of this process, and of those it forks, to `stream` (standard error)."""
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter(is_coloured=stream.isatty()))
    levels = parse_filter(log_filter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(levels.pop("", logging.WARNING))  # what is not ours speaks up only when something is wrong
    for target, level in levels.items():
        logging.getLogger(target).setLevel(level)
