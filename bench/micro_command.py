"""Parts of the native wire by themselves: each program of `bench/micro`, compiled with the kernels' sources and run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench import machine
from bench.options import Options
from bench.paths import BENCH, CHECKOUT, SetupError, tool
from bench.results import Report

PROGRAMS = BENCH / "micro"
KERNELS = [CHECKOUT / "packages" / package / "csrc" for package in ("askr-http", "askr-shm")]
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-pthread")


def measure(_options: Options, folder: Path) -> Report:
    """Compile and run each, and keep what it says."""
    report = Report("micro", "Parts of the native wire by themselves", machine.look(), {"flags": FLAGS})
    kernel = [str(source) for csrc in KERNELS for source in sorted(csrc.glob("*.c"))]
    includes = [f"-I{csrc}" for csrc in KERNELS]
    report.sections = ["No sockets and no processes: what the code costs when its memory is in the caches."]
    for program in sorted(PROGRAMS.glob("*.c")):
        binary = folder / program.stem
        words = [tool("cc", "gcc"), *FLAGS, *includes, str(program), *kernel, "-o", str(binary)]
        _run(words)
        said = _run([str(binary)])
        report.content[program.stem] = said.splitlines()
        report.sections.append(f"## {program.stem}\n\n```text\n{said.rstrip()}\n```")
    return report


def _run(words: list[str]) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SetupError(f"{words[0]} failed: {done.stderr}")
    return done.stdout
