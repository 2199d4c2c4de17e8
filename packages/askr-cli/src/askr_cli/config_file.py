"""askr.toml: from text to values by option name, or to one message that names file, line and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from askr_cli.options import LATER_KEYS, LATER_SECTIONS, known_keys, known_sections, option_by_key
from askr_cli.suggestions import did_you_mean
from askr_cli.toml_lines import key_lines, line_of
from askr_cli.values import InvalidValueError, toml_type_name


class ConfigError(Exception):
    """Raised when a configuration cannot be used; the text is for the user, with file and line where there are."""


def read_config(path: str) -> dict[str, Any]:
    """Return the values that the file at `path` sets, by option name.

    Raises:
        ConfigError: it cannot be read, is not TOML, or says something that Askr does not know.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        raise ConfigError(message) from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{path}:{line}: not UTF-8"
        raise ConfigError(message) from None
    return parse_config(text, path)


def parse_config(text: str, path: str) -> dict[str, Any]:
    """Return the values that `text` sets, by option name; `path` is for messages.

    Raises:
        ConfigError: as `read_config`.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_message(str(error), text, path)) from None
    except (RecursionError, ValueError):  # Python's own bounds: depth of calls, digits of a number
        message = f"{path}: nested too deeply, or a number of more than 4300 digits"
        raise ConfigError(message) from None
    lines = key_lines(text.replace("\r\n", "\n"))
    values: dict[str, Any] = {}
    for section, table in document.items():
        at = f"{path}:{line_of(lines, (section,))}:"
        if section not in known_sections():
            raise ConfigError(f"{at} {_unknown_section(section, is_table=isinstance(table, dict | list))}")
        if not isinstance(table, dict):
            raise ConfigError(f"{at} {section} must be a table ([{section}]), not {toml_type_name(table)}")
        for key, value in table.items():
            at = f"{path}:{line_of(lines, (section, key))}:"
            option = option_by_key(f"{section}.{key}")
            if option is None:
                raise ConfigError(f"{at} {_unknown_key(section, key)}")
            try:
                values[option.name] = option.kind.from_toml(value)
            except InvalidValueError as error:
                raise ConfigError(f"{at} {section}.{key} {error}") from None
    return values


def _syntax_message(reason: str, text: str, path: str) -> str:
    """Turn tomllib's "... (at line 3, column 8)" into "file:3:8: ..."."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", reason, re.DOTALL)
    if match is None:
        return f"{path}: {reason}"
    place = f"{match[2]}:{match[3]}" if match[2] else f"{len(text.splitlines()) or 1}"
    return f"{path}:{place}: {match[1]}"


def _unknown_section(section: str, *, is_table: bool) -> str:
    if not is_table:
        inside = next((name for name in known_sections() if section in known_keys(name)), None)
        hint = f"; it belongs in [{inside}]" if inside else did_you_mean(section, known_sections())
        return f'unknown key "{section}" outside of a section{hint}'
    if section in LATER_SECTIONS:
        return f"[{section}] is not in this version"
    hint = did_you_mean(section, [*known_sections(), *sorted(LATER_SECTIONS)], quotes="[]")
    return f"unknown section [{section}]{hint}"


def _unknown_key(section: str, key: str) -> str:
    if f"{section}.{key}" in LATER_KEYS:
        return f'[{section}] key "{key}" is not in this version'
    elsewhere = next((name for name in known_sections() if name != section and key in known_keys(name)), None)
    hint = did_you_mean(key, known_keys(section)) or (f"; it belongs in [{elsewhere}]" if elsewhere else "")
    return f'[{section}] unknown key "{key}"{hint}'
