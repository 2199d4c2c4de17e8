"""Where the keys of a TOML document stand.

tomllib tells values but not lines, so this walks the same text a second time. It only runs on text that tomllib has
accepted, and so may skip values by their brackets and quotes without judging them (TOML 1.0, "Key/Value Pair", "Table").
"""

from __future__ import annotations

import re
import tomllib

KeyPath = tuple[str, ...]

_KEY = re.compile(r"""[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*""")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\]|\\.)*"|\'[^\']*\'', re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line (from 1) of every table header and key of the TOML document `text`.

    Keys inside an inline table stand at the line where that table's key stands. Of an array of tables, the first counts.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
            continue
        if text[at] == "#":
            at = _end(_COMMENT, text, at)
            continue
        line = text.count("\n", 0, at) + 1
        if text[at] == "[":
            table, at = _read_keys(text, at + (2 if text.startswith("[[", at) else 1))
            _note(lines, table, line)
            while at < len(text) and text[at] == "]":
                at += 1
        else:
            path, at = _read_keys(text, at)
            _note(lines, table + path, line)
            at = _skip_value(text, at + 1)
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """Return the line of `path`, or of the nearest thing around it that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _note(lines: dict[KeyPath, int], path: KeyPath, line: int) -> None:
    for size in range(1, len(path) + 1):
        lines.setdefault(path[:size], line)


def _read_keys(text: str, at: int) -> tuple[KeyPath, int]:
    """Read a dotted key; return it and the place behind it."""
    path: list[str] = []
    while True:
        match = _KEY.match(text, at)
        if match is None:
            return tuple(path), len(text)
        path.append(_unquote(match[1]))
        at = match.end()
        if at >= len(text) or text[at] != ".":
            return tuple(path), at
        at += 1


def _unquote(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 0")))


def _skip_value(text: str, at: int) -> int:
    """Return the place behind the value at `at`: the end of its line, but not inside brackets or strings."""
    depth = 0
    while at < len(text):
        char = text[at]
        if char in "\"'":
            at = _end(_STRING, text, at)
        elif char == "#":
            at = _end(_COMMENT, text, at)
        elif char == "\n" and depth == 0:
            return at
        else:
            depth += (char in "[{") - (char in "]}")
            at += 1
    return at


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else len(text)
