"""Run a command, keep its output in a log, and fail with the end of that log."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.apps.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TAIL_LINES = 15


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run `command` to its end and return its standard output.

    `env` is added to this process's environment. Both output streams are appended to `log`.

    Raises:
        FetchError: the command is missing or left with another status than 0; carries the last lines of output.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        message = f"{words[0]}: no such command"
        raise FetchError(message) from error
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}")
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:])
        message = f"{words[0]} left with status {done.returncode}; whole output: {log}\n{tail}"
        raise FetchError(message)
    return done.stdout
