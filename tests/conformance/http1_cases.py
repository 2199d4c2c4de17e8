"""The cases of http1_cases.toml, typed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Refused:
    """What is no request."""

    name: str
    wire: bytes
    status: int


@dataclass(frozen=True)
class Taken:
    """What is one."""

    name: str
    wire: bytes
    method: bytes
    target: bytes
    authority: bytes
    body: bytes
    is_kept: bool


def load() -> tuple[list[Refused], list[Taken]]:
    """Return the cases."""
    data = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    refused = [Refused(row["name"], row["wire"].encode("latin-1"), row["status"]) for row in data["refused"]]
    taken = [
        Taken(
            row["name"],
            row["wire"].encode("latin-1"),
            row["method"].encode(),
            row["target"].encode(),
            row["authority"].encode(),
            row.get("body", "").encode("latin-1"),
            row["is_kept"],
        )
        for row in data["taken"]
    ]
    return refused, taken


REFUSED, TAKEN = load()
