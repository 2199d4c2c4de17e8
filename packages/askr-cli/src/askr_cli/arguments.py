"""The command line: argparse filled from the table of options.

Exit codes (contract, "Command line"): 2 when the command line itself is wrong.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from askr_cli.options import LATER_COMMANDS, LATER_FLAGS, OPTIONS, Option
from askr_cli.suggestions import did_you_mean
from askr_cli.values import InvalidValueError, Kind
from askr_cli.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMANDS: dict[str, str] = {
    "serve": "serve a PHP application",
    "doctor": "check PHP, this machine and an application",
    "config-check": "check a configuration file",
}


class UsageError(Exception):
    """Raised when the command line is wrong; the text says how."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _reader(option: Option) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return option.kind.parse(text)
        except InvalidValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def help_text(option: Option) -> str:
    """Return the sentence for `--help`: what it does and what happens without it."""
    without = option.absent or (option.default if option.kind is not Kind.SWITCH else "")
    source = f"${option.env}, else " if option.env else ""
    default = f" [{source}{without or 'none'}]" if without or source else ""
    return ((option.flag_help or option.help) + default).replace("`", "").replace("%", "%%")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(prog="askr", description="An application server for PHP.", allow_abbrev=False)
    parser.add_argument("-V", "--version", action="version", version=f"askr {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    made = {
        name: commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.", allow_abbrev=False)
        for name, words in COMMANDS.items()
    }
    for option in OPTIONS:
        if option.flag is None:
            continue
        if option.kind is Kind.SWITCH:
            action = "store_false" if option.is_negative else "store_true"
            made["serve"].add_argument(
                option.flag, dest=option.name, action=action, default=argparse.SUPPRESS, help=help_text(option)
            )
        else:
            made["serve"].add_argument(
                option.flag,
                dest=option.name,
                metavar=option.kind.metavar,
                type=_reader(option),
                default=argparse.SUPPRESS,
                help=help_text(option),
            )
    made["doctor"].add_argument("--app", metavar="PATH", help="also look at the application in PATH")
    made["doctor"].add_argument("--ini", metavar="LINES", help="lines of php.ini, after the built-in ones")
    made["config-check"].add_argument("file", metavar="FILE", help="the configuration file")
    return parser


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what the command line says; flags that are not there are not in the namespace (serve) or None.

    Raises:
        UsageError: an unknown command or flag, or a value that does not fit.
        SystemExit: it asked for help or the version.
    """
    if not arguments:
        message = "which command? " + ", ".join(COMMANDS) + " (askr --help)"
        raise UsageError(message)
    word = next((argument for argument in arguments if not argument.startswith("-")), None)
    if word in LATER_COMMANDS and arguments[0] == word:
        raise UsageError(f"the command {word} is not in this version")
    if word is not None and arguments[0] == word and word not in COMMANDS:
        raise UsageError(f"unknown command {word!r}{did_you_mean(word, COMMANDS, quotes='')}")
    parser = make_parser()
    found, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise UsageError(_unknown_message(unknown[0], str(found.command)))
    if found.command is None:
        raise UsageError("which command? " + ", ".join(COMMANDS) + " (askr --help)")
    return found


def _unknown_message(argument: str, command: str) -> str:
    if not argument.startswith("-"):
        return f"unexpected argument {argument!r}"
    flag = argument.partition("=")[0]
    if flag in LATER_FLAGS and command == "serve":
        return f"{flag} is not in this version"
    if command == "serve":
        known = [option.flag for option in OPTIONS if option.flag]
    else:
        known = {"doctor": ["--app", "--ini"]}.get(command, [])
    return f"unknown flag {flag}{did_you_mean(flag, known, quotes='')}"


def print_usage_error(error: UsageError) -> None:
    """Tell standard error what is wrong with the command line."""
    print(f"askr: {error}", file=sys.stderr)
