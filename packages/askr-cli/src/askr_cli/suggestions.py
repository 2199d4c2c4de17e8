"""The nearest known name to one that is unknown."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], quotes: str = '""') -> str:
    """Return `; did you mean "..."?` with these quotes, or an empty text when nothing known is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {quotes[:1]}{near[0]}{quotes[1:]}?" if near else ""
