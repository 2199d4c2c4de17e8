"""Build PHP from source: static libphp.a with OPcache beside it, the command line and PHP-FPM.

    build.py build    [--branch 8.4] [--profile full]   build it unless it is built; prints the prefix last
    build.py prefix   [--branch 8.4] [--profile full]   print the prefix of the finished build, or exit 1
    build.py packages [--profile full]                  print the packages that a build needs

A prefix is `<cache>/php/<version>-<profile>/`:

    lib/libphp.a          the embed SAPI and the extensions, position independent
    lib/libphp-opcache.a  OPcache's objects (up to 8.4; it is inside libphp.a later)
    lib/libphp.libs       the libraries that a host of libphp.a links, in order
    include/php           headers
    bin/php, bin/php-config, sbin/php-fpm
    .complete             written last: fingerprint of the plan

A build happens in a folder of its own and is renamed into place, so a prefix is whole or absent.
A lock per prefix lets a second build wait for the first and then use it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import source
from pins import CFLAGS, CHECKOUT, BuildError, Plan, Release, cache, load_plan
from progress import Progress

TAIL_LINES = 30
COMPILE_STEP = re.compile(r"--mode=(compile|link)|^\S*(g?cc|c\+\+|g\+\+) ")


def build(plan: Plan) -> pathlib.Path:
    """Build one release of the plan unless it is built already; return its prefix.

    Raises BuildError.
    """
    if built := plan.built():
        return plan.prefix(built)
    _install_packages(plan)
    release, tarball = source.tarball(plan)
    prefix = plan.prefix(release)
    with _lock(prefix):
        if plan.is_built(release):  # another build finished while this one waited
            return prefix
        work = prefix.parent / f".build-{prefix.name}"
        shutil.rmtree(work, ignore_errors=True)  # what a killed build left
        work.mkdir(parents=True)
        _Build(plan, release, work).run(tarball)
        shutil.rmtree(work)
    return prefix


class _Build:
    """One build in one work folder; its log is beside the prefix, so that it outlives the folder."""

    def __init__(self, plan: Plan, release: Release, work: pathlib.Path) -> None:
        self.plan = plan
        self.release = release
        self.prefix = plan.prefix(release)
        self.work = work
        self.objects = work / "objects"
        self.log = self.prefix.parent / f"{self.prefix.name}.log"
        self.progress = Progress(f"php {release.version}-{plan.profile}")
        self.jobs = int(os.environ.get("JOBS") or len(os.sched_getaffinity(0)))

    def run(self, tarball: pathlib.Path) -> None:
        self.log.write_text("")
        self.progress.say(f"building with {self.jobs} jobs; log: {self.log}")
        self._unpack(tarball)
        self._configure()
        self._make()
        self._install()
        self.progress.say(f"finished: {self.prefix}")

    def _unpack(self, tarball: pathlib.Path) -> None:
        sources = self.work / "source"
        sources.mkdir()
        self._run("unpack", ["tar", "-xf", os.fspath(tarball), "-C", os.fspath(sources), "--strip-components=1"])
        self.objects.mkdir()

    def _configure(self) -> None:
        command = [
            os.fspath(self.work / "source" / "configure"),
            f"--prefix={self.prefix}",
            f"--with-config-file-path={self.prefix}/etc",
            f"--with-config-file-scan-dir={self.prefix}/etc/conf.d",
            *self.plan.flags,
        ]
        self._run("configure", command, env={"CFLAGS": CFLAGS, "CXXFLAGS": CFLAGS})

    def _make(self) -> None:
        # A dry run tells how many steps there are, so that the progress can be a fraction.
        dry = subprocess.run(["make", "-n"], cwd=self.objects, check=False, capture_output=True, text=True)
        steps = sum(1 for line in dry.stdout.splitlines() if COMPILE_STEP.search(line))
        self._run("compile", ["make", f"-j{self.jobs}"], steps=steps)

    def _install(self) -> None:
        root = self.work / "root"
        self._run("install", ["make", "install", f"INSTALL_ROOT={root}"])
        staged = root / self.prefix.relative_to("/")
        objects = sorted(self.objects.glob("ext/opcache/**/.libs/*.o"))
        if objects:
            # Through 8.4 OPcache is a shared zend_extension; its objects are position independent,
            # so that a static host can link them and register the extension itself.
            archive = staged / "lib" / "libphp-opcache.a"
            self._run("archive OPcache", ["ar", "rcs", os.fspath(archive), *map(os.fspath, objects)])
        makefile = (self.objects / "Makefile").read_text()
        libraries = re.search(r"^EXTRA_LIBS = (.*)$", makefile, re.MULTILINE)
        if libraries is None:
            message = f"{self.objects}/Makefile has no EXTRA_LIBS: this PHP is laid out differently"
            raise BuildError(message)
        (staged / "lib" / "libphp.libs").write_text(libraries[1].strip() + "\n")
        (staged / "etc" / "conf.d").mkdir(parents=True, exist_ok=True)
        for wanted in ("lib/libphp.a", "include/php/main/php.h", "bin/php", "sbin/php-fpm"):
            if not (staged / wanted).exists():
                message = f"the build made no {wanted}; log: {self.log}"
                raise BuildError(message)
        (staged / ".complete").write_text(f"{self.plan.fingerprint(self.release)} {self.release.version}\n")
        if self.prefix.exists():
            self.prefix.rename(self.work / "stale")
        staged.rename(self.prefix)

    def _run(self, title: str, command: list[str], steps: int = 0, env: dict[str, str] | None = None) -> None:
        """Run one command at low priority, its output in the log; count steps while it runs.

        Raises BuildError with the end of the log when it fails.
        """
        self.progress.start(title, steps)
        with self.log.open("a") as log:
            log.write(f"\n== {title}: {' '.join(command[:40])}\n")
            log.flush()
            process = subprocess.Popen(
                ["nice", "-n", "10", *command],
                cwd=self.objects if self.objects.exists() else self.work,
                env={**os.environ, "LC_ALL": "C.UTF-8", "MAKEFLAGS": "", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                self.progress.step(is_counted=bool(COMPILE_STEP.search(line)))
            code = process.wait()
        self.progress.stop()
        if code != 0:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
            message = f"{title} failed with exit code {code}; the end of {self.log}:\n{tail}"
            raise BuildError(message)


def _install_packages(plan: Plan) -> None:
    command = ["bash", os.fspath(CHECKOUT / "scripts" / "apt-install.sh"), "to build PHP", *plan.packages]
    if subprocess.run(command, check=False).returncode != 0:
        message = "the packages that the build needs are not installed (see above)"
        raise BuildError(message)


@contextlib.contextmanager
def _lock(prefix: pathlib.Path) -> Iterator[None]:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with (prefix.parent / f".lock-{prefix.name}").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"php: another build of {prefix.name} is running; waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(description="Build PHP from source.")
    parser.add_argument("command", choices=["build", "prefix", "packages"])
    parser.add_argument("--branch", default=os.environ.get("PHP_BRANCH") or None, help="such as 8.4")
    parser.add_argument("--profile", default=os.environ.get("PHP_PROFILE") or "full", help="core or full")
    args = parser.parse_args()
    try:
        plan = load_plan(args.branch, args.profile)
        if args.command == "packages":
            print("\n".join(plan.packages))
        elif args.command == "build":
            print(build(plan))
        elif built := plan.built():
            print(plan.prefix(built))
        else:
            print(f"php: PHP {plan.branch} ({plan.profile}) is not built in {cache()}; run: make php", file=sys.stderr)
            return 1
    except BuildError as error:
        print(f"php: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
