"""Fixtures of askr-php's tests: every test that runs PHP runs on each kernel that is built."""

from __future__ import annotations

import os

import pytest

from askr_php import kernel


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise `php` with the kernels: the one that ASKR_PHP names, or all that are built."""
    if "php" in metafunc.fixturenames:
        wanted = os.environ.get("ASKR_PHP")
        metafunc.parametrize("php", [wanted] if wanted else kernel.available() or ["none built"])
