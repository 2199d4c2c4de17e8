"""Documents say what is so: configuration blocks are valid, examples run, links lead somewhere, pages are up to date."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
MADE = {".git", ".venv", "build", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache"}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def documents() -> list[Path]:
    """Every Markdown file of the checkout, without what was made or fetched into it."""
    folders = [folder for folder in sorted(CHECKOUT.iterdir()) if folder.is_dir() and folder.name not in MADE]
    return [*sorted(CHECKOUT.glob("*.md")), *(path for folder in folders for path in sorted(folder.rglob("*.md")))]


def blocks(language: str) -> list[object]:
    found: list[object] = []
    for path in documents():
        for match in FENCE.finditer(path.read_text()):
            if match[1] == language:
                line = path.read_text()[: match.start()].count("\n") + 1
                found.append(pytest.param(match[2], id=f"{path.relative_to(CHECKOUT)}:{line}"))
    return found


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_toml_block_is_a_configuration_that_askr_accepts(text: str, tmp_path: Path) -> None:
    config = tmp_path / "askr.toml"
    config.write_text(text)
    command = [sys.executable, "-m", "askr_cli", "config-check", str(config)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_python_blocks_that_show_a_session_give_what_they_show() -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for param in blocks("python"):
        text, name = param.values[0], param.id  # type: ignore[attr-defined]  # pytest has no public type for it
        runner.run(doctest.DocTestParser().get_doctest(text, {}, name, None, None))
    assert runner.summarize(verbose=False).failed == 0


def test_the_reference_pages_are_what_the_tables_say() -> None:
    command = [sys.executable, "-m", "askr_cli.reference", "--check"]
    done = subprocess.run(command, cwd=CHECKOUT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_relative_link_leads_to_a_file() -> None:
    dead = [
        f"{path.relative_to(CHECKOUT)}: {target}"
        for path in documents()
        for target in LINK.findall(FENCE.sub("", path.read_text()))
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert dead == []
