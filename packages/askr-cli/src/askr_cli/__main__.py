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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (those of the process when None) and return the exit code."""
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
