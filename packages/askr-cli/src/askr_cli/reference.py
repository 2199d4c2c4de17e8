"""The reference pages docs/reference/cli.md and config.md, and examples/askr.toml, written from the table of options.

    python -m askr_cli.reference [--check] [CHECKOUT]

`--check` writes nothing and fails when a page is not what the table says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from askr_cli.arguments import COMMANDS
from askr_cli.options import OPTIONS, Option, known_sections
from askr_cli.values import Kind

NOTICE = "<!-- Written by `make docs` from packages/askr-cli/src/askr_cli/options.py: change the table there. -->"
TIER_WORDS = (
    "Tier: core and plus are the contract with users of the first generation of Askr; askr is what this one adds."
)


def default_words(option: Option) -> str:
    """Return what a page says about the default."""
    if option.absent:
        words = option.absent
    elif option.default == "":
        words = "empty"
    elif option.kind is Kind.SWITCH and option.key is None:
        words = "off"
    else:
        words = f"`{option.default}`"
    return f"`${option.env}`, else {words}" if option.env else words


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def cli_page() -> str:
    """Return docs/reference/cli.md."""
    lines = [
        "# Command line",
        "",
        NOTICE,
        "",
        "`askr --version` prints `askr X.Y.Z`; `askr --help` and `askr COMMAND --help` list what there is.",
        "Exit codes: 0 all is well; 1 an error, which standard error explains; 2 the command line itself is wrong.",
        "Logs go to standard error.",
        "",
        "| Command | What it does |",
        "| --- | --- |",
        *(_row(f"`askr {name}`", words) for name, words in COMMANDS.items()),
        "",
        "## askr serve",
        "",
        "| Flag | Default | What it does | Key in `askr.toml` | Tier |",
        "| --- | --- | --- | --- | --- |",
    ]
    for option in OPTIONS:
        if option.flag is None:
            continue
        flag = f"`{option.flag} {option.kind.metavar}`".replace(" `", "`")
        default = "off" if option.kind is Kind.SWITCH and option.flag else default_words(option)
        lines.append(_row(flag, default, option.flag_help or option.help, _key_words(option), option.tier))
    lines += [
        "",
        "`--config` is the whole configuration: a flag beside it that the file should say is refused, by name.",
        TIER_WORDS,
        "Flags without a key can stand beside it, but for `--cow`.",
        "",
        "Signals: `SIGTERM` and `SIGINT` drain and stop with exit code 0; a second `SIGINT` does not wait.",
        "`SIGHUP` is logged and changes nothing in this version.",
        "",
        "## askr doctor",
        "",
        "| Flag | What it does |",
        "| --- | --- |",
        _row("`--app PATH`", "Also look at the application in PATH."),
        _row("`--ini LINES`", "Lines of php.ini, after the built-in ones; else `$ASKR_PHP_INI`."),
        "",
        "It exits with 1 when a critical check (a bold `✗`) fails.",
        "",
        "## askr config-check FILE",
        "",
        "Reads FILE as `askr serve --config FILE` would, without looking for the paths that it names, and prints what it means.",
        "",
    ]
    return "\n".join(lines)


def _key_words(option: Option) -> str:
    if option.key is None:
        return "–"
    section, _, key = option.key.partition(".")
    return f"`[{section}] {key}`"


def config_page() -> str:
    """Return docs/reference/config.md."""
    lines = [
        "# askr.toml",
        "",
        NOTICE,
        "",
        "`askr serve --config askr.toml` reads it; there is no search for it.",
        "Relative paths count from the current directory.",
        "A key or section that Askr does not know is an error that names file, line and the nearest known one.",
        TIER_WORDS,
        "Every key may be left out, and a section that is there changes no default by being there.",
        "",
        "```toml",
        *example_lines(),
        "```",
        "",
    ]
    for section in known_sections():
        lines += [
            f"## [{section}]",
            "",
            "| Key | Type | Default | What it does | Flag | Tier |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for option in OPTIONS:
            if option.key is None or not option.key.startswith(f"{section}."):
                continue
            flag = f"`{option.flag}`" if option.flag else "–"
            key = f"`{option.key.partition('.')[2]}`"
            lines.append(_row(key, option.kind.words, default_words(option), option.help, flag, option.tier))
        lines.append("")
    return "\n".join(lines)


def example_lines(*, has_comments: bool = False) -> list[str]:
    """Return a configuration that sets every key, to its default where it has one.

    With comments, it changes nothing: what has no default is a comment too.
    """
    samples = {
        "root": '"public"',
        "access_log": '"-"',
        "worker_script": '"worker.php"',
        "app_base": '"/srv/app"',
        "ini": '"opcache.enable=1\\nmemory_limit=256M"',
    }
    lines: list[str] = []
    for section in known_sections():
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for option in OPTIONS:
            if option.key is None or not option.key.startswith(f"{section}."):
                continue
            value = samples.get(option.name)
            if value is None:
                is_bare = int in option.kind.toml_types or bool in option.kind.toml_types
                is_bare = (
                    is_bare and str(option.default).replace(".", "").isalnum() and option.default not in {"auto", "16M"}
                )
                value = str(option.default) if is_bare else f'"{option.default}"'
            line = f"{option.key.partition('.')[2]} = {value}"
            if has_comments:
                lines += ["", f"# {option.help.replace('`', '')}"]
                line = f"# {line}" if option.name in samples else line
            lines.append(line)
    return lines


def example_file() -> str:
    """Return examples/askr.toml."""
    lines = [
        "# Every key of askr.toml. What is set here is the default; what has none is a comment.",
        "#",
        "#     askr config-check askr.toml",
        "#     askr serve --config askr.toml",
        "#",
        "# Written by `make docs` from packages/askr-cli/src/askr_cli/options.py.",
        "",
        *example_lines(has_comments=True),
        "",
    ]
    return "\n".join(lines)


PAGES = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/config.md": config_page,
    "examples/askr.toml": example_file,
}


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pages; return 1 when --check found one that is not what the table says."""
    parser = argparse.ArgumentParser(prog="askr_cli.reference", description="Write the reference pages.")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    parser.add_argument("checkout", nargs="?", default=".", help="the root of the checkout")
    found = parser.parse_args(arguments)
    stale = []
    for name, page in PAGES.items():
        path, text = Path(found.checkout) / name, page()
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(name)
        if not found.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        print(f"{name}: {'is out of date; run `make docs`' if found.check else 'written anew'}", file=sys.stderr)
    return int(bool(stale) and found.check)


if __name__ == "__main__":
    sys.exit(main())
