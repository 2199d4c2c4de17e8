"""Markdown tables and numbers for people. No input or output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTHING = "–"


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with thousands separated, or a dash for None."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def significant(value: float | None) -> str:
    """Return a number with as many digits as say something: 3 below a hundred, whole ones above."""
    if value is None:
        return NOTHING
    size = abs(value)
    return number(value, 2 if size < 10 else 1 if size < 100 else 0)


def mebibytes(size_bytes: float | None) -> str:
    """Return a size in MiB with one digit after the point."""
    return NOTHING if size_bytes is None else number(size_bytes / 2**20, 1)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    lines = [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)
