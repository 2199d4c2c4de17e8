"""The kinds of value that an option may have: how each is read from a command line and from TOML, and how it is shown.

Both readers end in the same function, so that a value means the same wherever it is written.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from askr_http.wires import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WORKERS = 512  # slots of a master (contract, "Slots"); also the pool's worker records
MAX_FRONTS = 64  # processes; a pool has two completion rings for each
MAX_CONNECTIONS = 1 << 20  # of a front: as many descriptors as Linux lets a process have (fs.nr_open)
MAX_PORT = 65535
MAX_SIZE_BYTES = 1 << 40  # the spool file has that much room for each exchange, and its size must fit into an off_t
MAX_INTEGER_BITS = 64  # of TOML's integers (TOML 1.0, "Integer"); Python refuses to turn huge ones into text
SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class InvalidValueError(Exception):
    """Raised when a value does not fit its option; the text completes the sentence "<option> ..."."""


class Address(NamedTuple):
    """Where to listen: an IPv4 or IPv6 address and a TCP port (0: the kernel chooses)."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return `127.0.0.1:8000` or `[::1]:8000`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address that `text` names, as in a URL's authority (RFC 3986 section 3.2), without names."""
    match = re.fullmatch(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>[0-9]{1,5})", text)
    if match is not None and int(match["port"]) <= MAX_PORT:
        with contextlib.suppress(ValueError):
            host = ipaddress.IPv6Address(match["v6"]) if match["v6"] else ipaddress.IPv4Address(match["v4"])
            return Address(str(host), int(match["port"]))
    message = f"must be an IP address and a port, such as 127.0.0.1:8000 or [::1]:8000, not {text!r}"
    raise InvalidValueError(message)


def parse_size(text: str) -> int:
    """Return the bytes that `text` means: a number, with K, M or G (powers of 1024) after it or not."""
    match = re.fullmatch(r"([0-9]{1,15})([KMG]?)B?", text.strip().upper())
    if match is None:
        message = f"must be a number of bytes, with K, M or G after it if you like (16M), not {text!r}"
        raise InvalidValueError(message)
    size_bytes = int(match[1]) * SIZE_UNITS[match[2]]
    if size_bytes > MAX_SIZE_BYTES:
        message = f"must be at most {format_size(MAX_SIZE_BYTES)}, not {text!r}"
        raise InvalidValueError(message)
    return size_bytes


def format_size(size_bytes: int) -> str:
    """Return the shortest text that `parse_size` reads as `size_bytes`."""
    for unit in "GMK":
        if size_bytes and size_bytes % SIZE_UNITS[unit] == 0:
            return f"{size_bytes // SIZE_UNITS[unit]}{unit}"
    return str(size_bytes)


def _parse_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        message = f"must be a whole number, 0 or more, not {text!r}"
        raise InvalidValueError(message)
    return int(text)


def _parse_connections(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_CONNECTIONS:
        message = f"must be a number from 1 to {MAX_CONNECTIONS}, not {text!r}"
        raise InvalidValueError(message)
    return int(text)


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86400:
        message = f"must be seconds, more than 0 and at most 86400, not {text!r}"
        raise InvalidValueError(message)
    return seconds


def _parse_grace(text: str) -> float:
    return 0.0 if text in {"0", "0.0"} else _parse_seconds(text)


def _bounded(most: int) -> Callable[[str], int | None]:
    def parse(text: str) -> int | None:
        if text == "auto":
            return None
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
            message = f'must be "auto" or a number from 1 to {most}, not {text!r}'
            raise InvalidValueError(message)
        return int(text)

    return parse


def _parse_text(text: str) -> str:
    if "\0" in text:
        message = "must not hold a NUL byte"
        raise InvalidValueError(message)
    return text


def _parse_path(text: str) -> str:
    if not text or "\0" in text:
        message = "must be a path, not an empty text"
        raise InvalidValueError(message)
    return text


def _parse_wire(text: str) -> str:
    if text not in CHOICES:
        message = f'must be "auto", "native" or "pure", not {text!r}'
        raise InvalidValueError(message)
    return text


def _parse_switch(text: str) -> bool:
    if text not in {"true", "false"}:
        message = f"must be true or false, not {text!r}"
        raise InvalidValueError(message)
    return text == "true"


def _parse_log_format(text: str) -> str:
    if text not in {"text", "json"}:
        message = f'must be "text" or "json", not {text!r}'
        raise InvalidValueError(message)
    return text


def _parse_log_filter(text: str) -> str:
    from askr_cli.logs import parse_filter

    try:
        parse_filter(text)
    except ValueError as error:
        raise InvalidValueError(str(error)) from None
    return text


class Kind(Enum):
    """A kind of value: placeholder on the command line, types in TOML, words for the reference, reader.

    Values from TOML are turned into text first, so there is one reader; `toml_types` guards that.
    """

    ADDRESS = ("ADDR", (str,), "IP address and port", parse_address)
    PATH = ("PATH", (str,), "path", _parse_path)
    FRONT = ("PATH", (str,), "path, or empty", _parse_text)
    TEXT = ("TEXT", (str,), "text", _parse_text)
    WORKERS = ("N", (int, str), f'`"auto"` or 1 to {MAX_WORKERS}', _bounded(MAX_WORKERS))
    FRONTS = ("N", (int, str), f'`"auto"` or 1 to {MAX_FRONTS}', _bounded(MAX_FRONTS))
    WIRE = ("WIRE", (str,), "`auto`, `native` or `pure`", _parse_wire)
    CONNECTIONS = ("N", (int,), f"1 to {MAX_CONNECTIONS}", _parse_connections)
    COUNT = ("N", (int,), "whole number", _parse_count)
    SECONDS = ("S", (int, float), "seconds", _parse_seconds)
    GRACE = ("S", (int, float), "seconds, 0 allowed", _parse_grace)
    SIZE = ("SIZE", (int, str), "bytes, with `K`, `M` or `G`", parse_size)
    SWITCH = ("", (bool,), "true or false", _parse_switch)
    LOG_FORMAT = ("FORMAT", (str,), "`text` or `json`", _parse_log_format)
    LOG_FILTER = ("FILTER", (str,), "levels by target, as in `askr=info`", _parse_log_filter)

    def __init__(self, metavar: str, toml_types: tuple[type, ...], words: str, parse: Callable[[str], Any]) -> None:
        self.metavar = metavar
        self.toml_types = toml_types
        self.words = words
        self.parse = parse

    def from_toml(self, value: object) -> Any:
        """Return what `value`, as tomllib gave it, means.

        Raises:
            InvalidValueError: it has another type, or does not fit.
        """
        if type(value) not in self.toml_types:  # not isinstance: true is an int in Python and not in TOML
            names = " or ".join(TOML_TYPE_NAMES[kind] for kind in self.toml_types)
            message = f"must be {names}, not {toml_type_name(value)}"
            raise InvalidValueError(message)
        if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
            message = "is a number too large"
            raise InvalidValueError(message)
        return self.parse(str(value).lower() if isinstance(value, bool) else str(value))


TOML_TYPE_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "an array",
    dict: "a table",
}


def toml_type_name(value: object) -> str:
    """Return the name that TOML has for the type of `value`, with its article."""
    return TOML_TYPE_NAMES.get(type(value), "a date or time")
