"""Where and of what a measurement was made: machine, kernel, load, commit, time."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.paths import CHECKOUT


@dataclass(frozen=True)
class Machine:
    """The facts that stand above every table. `is_modified` says that the checkout differed from its commit."""

    when: str
    processor: str
    cpus: int
    memory_bytes: int
    kernel: str
    system: str
    python: str
    commit: str
    is_modified: bool
    load_before: tuple[float, float, float]

    def sentence(self) -> str:
        """Return the facts as one line of Markdown prose."""
        modified = " with changes" if self.is_modified else ""
        return (
            f"{self.when}, commit {self.commit}{modified}, {self.processor}, {self.cpus} CPUs, "
            f"{self.memory_bytes / 2**30:.0f} GiB, {self.system}, Linux {self.kernel}, Python {self.python}."
        )


def look() -> Machine:
    """Return the facts of this machine and checkout, now."""
    return Machine(
        when=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        processor=_processor(Path("/proc/cpuinfo").read_text()),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        system=platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        python=platform.python_version(),
        commit=_git("rev-parse", "--short=12", "HEAD") or "unknown",
        is_modified=bool(_git("status", "--porcelain", "--untracked-files=no", "--", "packages", "bench", "examples")),
        load_before=os.getloadavg(),
    )


def _processor(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], check=False, cwd=CHECKOUT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
