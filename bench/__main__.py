"""The command line of the benchmarks; `python -m bench --help` lists it."""

from __future__ import annotations

import sys

from bench.commands import main

sys.exit(main())
