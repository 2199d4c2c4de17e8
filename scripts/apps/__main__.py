"""`python3 -m scripts.apps [NAME...]`: lay applications out and print one folder per line, in the order asked for."""

from __future__ import annotations

import argparse
import sys

from scripts.apps.errors import FetchError
from scripts.apps.laravel import LARAVEL
from scripts.apps.layout import ensure
from scripts.apps.mediawiki import MEDIAWIKI
from scripts.apps.symfony import SYMFONY
from scripts.apps.wordpress import WORDPRESS

APPLICATIONS = {application.name: application for application in (LARAVEL, SYMFONY, WORDPRESS, MEDIAWIKI)}


def main() -> int:
    """Lay out what the command line names (everything when it names nothing); return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m scripts.apps", description="Fetch real PHP applications into the cache."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(APPLICATIONS)} (default: all)")
    names = parser.parse_args().names or list(APPLICATIONS)
    for name in names:
        if name not in APPLICATIONS:
            parser.error(f"no application is called {name}; there are {', '.join(APPLICATIONS)}")
    for name in names:
        try:
            print(ensure(APPLICATIONS[name]), flush=True)
        except FetchError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
