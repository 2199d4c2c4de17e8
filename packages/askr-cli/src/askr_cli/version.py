"""The version of the askr command; the test compares it with pyproject.toml."""

from __future__ import annotations

VERSION = "0.1.0"
