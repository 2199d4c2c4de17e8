"""The `askr` command."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from askr_cli.arguments import UsageError, parse_arguments, print_usage_error

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_ERROR = 1
EXIT_USAGE = 2


def open_missing_streams() -> None:
    """Have descriptors 0 to 2 open: else a socket gets such a number, and a message or a child's /dev/null goes there."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number, which is this one
            os.set_inheritable(nothing, True)
            setattr(sys, name, os.fdopen(fd, mode, closefd=False))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (those of the process when None) and return the exit code."""
    open_missing_streams()
    try:
        found = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        print_usage_error(error)
        return EXIT_USAGE
    try:
        if found.command == "config-check":
            from askr_cli.config_check import config_check

            return config_check(found.file)
        if found.command == "doctor":
            from askr_cli.doctor import doctor

            return doctor(app=found.app, ini=found.ini or os.environ.get("ASKR_PHP_INI", ""))
        from askr_cli.serve import serve

        flags = {name: value for name, value in vars(found).items() if name != "command"}
        return serve(flags, os.environ)
    except BrokenPipeError:  # somebody read enough (askr doctor | head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR


if __name__ == "__main__":
    sys.exit(main())
