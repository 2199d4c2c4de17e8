"""What commands print on standard output: rich in a terminal, the same characters without colour elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from typing import TextIO

Mark = Literal["ok", "bad", "soft", "note", "dot"]
MARKS: dict[Mark, tuple[str, str]] = {  # sign, style
    "ok": ("✓", "green"),
    "bad": ("✗", "bold red"),
    "soft": ("✗", "yellow"),
    "note": ("•", "cyan"),
    "dot": ("·", "dim"),
}


class Output:
    """Lines with marks. Lines are never wrapped or cut, so that they can be searched."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to `stream`, standard output when None."""
        self._console = Console(file=stream, highlight=False, soft_wrap=True)

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line."""
        self._console.print(Text(text, style=style))

    def title(self, text: str) -> None:
        """Print a heading."""
        self.line(text, "bold")

    def mark(self, mark: Mark, text: str, *, indent: int = 2) -> None:
        """Print one line behind a mark."""
        sign, style = MARKS[mark]
        self._console.print(Text.assemble(" " * indent, (sign, style), " ", text))


def out() -> Output:
    """Return the output of this process."""
    return Output()
