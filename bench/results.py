"""What a measurement leaves: a JSON file with everything and a Markdown file to read, side by side in bench/results."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import Machine
from bench.paths import RESULTS


@dataclass
class Report:
    """One measurement.

    `sections` are Markdown with headings of level two; `content` is what they were made from; `failures` are limits
    that were broken, and make the run fail; `drawings` are files beside the results, by path.
    """

    name: str
    title: str
    machine: Machine
    settings: dict[str, Any]
    content: dict[str, Any] = field(default_factory=dict)
    sections: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    drawings: dict[Path, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return the whole report."""
        before, after = self.machine.load_before, os.getloadavg()
        load = f"Load average over one minute: {before[0]:.1f} before, {after[0]:.1f} after."
        parts = [f"# {self.title}", f"{self.machine.sentence()}\n{load}", *self.sections]
        if self.failures:
            parts.append("## Limits broken\n\n" + "\n".join(f"- {failure}" for failure in self.failures))
        if self.notes:
            parts.append("## Not measured\n\n" + "\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def save(self, folder: Path = RESULTS) -> Path:
        """Write the files and return the Markdown one; a later run of the same minute and commit replaces them."""
        folder.mkdir(parents=True, exist_ok=True)
        moment = re.sub(r"\D", "", self.machine.when)
        path = folder / f"{moment[:8]}-{moment[8:12]}-{self.machine.commit[:8]}-{self.name}.md"
        path.write_text(self.markdown())
        for drawing, text in self.drawings.items():
            drawing.parent.mkdir(parents=True, exist_ok=True)
            drawing.write_text(text)
        everything = {
            "title": self.title,
            "machine": dataclasses.asdict(self.machine),
            "settings": self.settings,
            "load_after": os.getloadavg(),
            "content": self.content,
            "notes": self.notes,
            "failures": self.failures,
        }
        path.with_suffix(".json").write_text(json.dumps(everything, indent=1, default=_plain) + "\n")
        return path


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def newest(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Return the content of the newest JSON file of measurement `name`, or None."""
    found = sorted(folder.glob(f"*-{name}.json"))
    return dict(json.loads(found[-1].read_text())) if found else None
