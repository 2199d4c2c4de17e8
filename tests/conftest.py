"""Fixtures for every test below this folder."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# The tests import `tests.support` and `scripts.apps`, wherever pytest was started.
REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY) not in sys.path:
    sys.path.insert(0, str(REPOSITORY))

from tests.support import server  # noqa: E402  needs the path above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def askr_serve(tmp_path: Path) -> Iterator[Callable[..., server.Server]]:
    """Return a function that starts `askr serve` with its arguments; each server is judged when the test ends.

    It takes what `tests.support.server.askr_serve` takes, and chooses the log itself.
    """
    with ExitStack() as stack:
        count = 0

        def start(*arguments: str | Path, **options: Any) -> server.Server:
            nonlocal count
            count += 1
            options.setdefault("log", tmp_path / f"askr-{count}.log")
            return stack.enter_context(server.askr_serve(*arguments, **options))

        yield start
