"""The suite of the front runs over both wires."""

from __future__ import annotations

from collections.abc import Iterator

import front_harness
import pytest


@pytest.fixture(scope="module", params=front_harness.WIRES)
def wire(request: pytest.FixtureRequest) -> Iterator[str]:
    """The wire of the fronts that a test runs."""
    with front_harness.over(request.param):
        yield request.param
