"""`askr doctor` tells whether PHP, this machine and an application are what Askr needs (contract, formats.md A.1).

Each check is a function from facts to findings; gathering the facts is apart from judging them.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from askr_cli.doctor_app import app_findings
from askr_http.wires import why_not_native

if TYPE_CHECKING:
    from collections.abc import Sequence

    from askr_cli.output import Mark, Output
    from askr_php.probe import PhpDescription

REQUIRED_EXTENSIONS = (
    "ctype",
    "curl",
    "dom",
    "fileinfo",
    "filter",
    "hash",
    "json",
    "libxml",
    "mbstring",
    "openssl",
    "pcre",
    "pdo",
    "phar",
    "session",
    "tokenizer",
    "xml",
)
RECOMMENDED_EXTENSIONS = ("intl", "gd", "zip", "exif", "bcmath", "iconv")
DATABASE_DRIVERS = ("pdo_sqlite", "pdo_mysql", "pdo_pgsql")
KERNEL_NEEDED = (5, 4)  # waitid(2) with P_PIDFD
LATEST_PHP = 80500
LEAST_PHP = 80300  # Laravel 13


class Finding(NamedTuple):
    """One line of the report; a `bad` one makes the command fail."""

    mark: Mark
    text: str


def php_findings(php: PhpDescription) -> list[Finding]:
    """Judge an embedded PHP."""
    short = ".".join(php.version.split(".")[:2])
    found = [Finding("ok", f"embedded PHP {php.version}")]
    if php.version_id >= LATEST_PHP:
        found.append(Finding("ok", "PHP >= 8.5 (latest, JIT improvements)"))
    elif php.version_id >= LEAST_PHP:
        found.append(Finding("ok", f"PHP {short} (>= 8.3; 8.5 recommended)"))
    else:
        found.append(Finding("bad", f"PHP {short} is too old — Laravel 13 needs >= 8.3"))
    if php.is_zts:
        found.append(Finding("bad", "thread safety: ZTS  (REQUIRED: non-ZTS / NTS build)"))
    else:
        found.append(Finding("ok", "thread safety: non-ZTS (NTS)"))
    loaded = set(php.extensions)
    found += [Finding("ok" if name in loaded else "bad", f"ext-{name}") for name in REQUIRED_EXTENSIONS]
    drivers = [name for name in DATABASE_DRIVERS if name in loaded]
    if drivers:
        found.append(Finding("ok", f"database drivers: {', '.join(drivers)}"))
    else:
        found.append(Finding("bad", "no PDO database driver (need pdo_sqlite / pdo_mysql / pdo_pgsql)"))
    if php.opcache_available:
        found.append(Finding("ok", "Zend OPcache available (enable with opcache.enable=1 + JIT)"))
    else:
        found.append(Finding("soft", "Zend OPcache not available: every request compiles its scripts again"))
    found += [
        Finding("ok" if name in loaded else "soft", f"ext-{name} (recommended)") for name in RECOMMENDED_EXTENSIONS
    ]
    found.append(Finding("dot", f"{len(loaded)} extensions loaded"))
    return found


def wire_finding() -> Finding:
    """Judge which wire would serve."""
    reason = why_not_native()
    if reason is None:
        return Finding("ok", "native wire")
    return Finding("soft", f"native wire: {reason}; the pure wire serves, several times slower")


def platform_findings(system: str, release: str) -> list[Finding]:
    """Judge the operating system, by what uname(2) says."""
    match = re.match(r"(\d+)\.(\d+)", release)
    needed = ".".join(map(str, KERNEL_NEEDED))
    if system != "Linux" or match is None:
        return [Finding("bad", f"{system} {release}: Askr needs Linux {needed} or newer")]
    is_enough = (int(match[1]), int(match[2])) >= KERNEL_NEEDED
    return [Finding("ok" if is_enough else "bad", f"kernel {release} (pidfd needs ≥ {needed})")]


def doctor(*, app: str | None, ini: str) -> int:
    """Check everything, tell the user, and return the exit code: 1 when anything critical is wrong."""
    from askr_cli.output import out

    console = out()
    console.title("askr doctor")
    console.line()
    findings = _show(console, _probe(ini))
    console.line()
    console.title(f"platform: {sys.platform}")
    findings += _show(console, [*platform_findings(platform.system(), platform.release()), wire_finding()])
    if app is not None:
        console.line()
        console.title(f"app: {app}")
        findings += _show(console, [Finding(*row) for row in app_findings(app, os.environ)])
    console.line()
    if any(finding.mark == "bad" for finding in findings):
        console.mark("bad", "critical checks failed — see above", indent=0)
        return 1
    console.mark("ok", "all critical checks passed", indent=0)
    return 0


def _show(console: Output, findings: Sequence[Finding]) -> list[Finding]:
    for finding in findings:
        console.mark(finding.mark, finding.text)
    return list(findings)


def _probe(ini: str) -> list[Finding]:
    from askr_php.kernel import KernelNotFoundError
    from askr_php.probe import ProbeError, describe

    try:
        php = describe(ini=ini)
    except (KernelNotFoundError, ProbeError, ImportError) as error:
        return [Finding("bad", f"embedded PHP: {error}")]
    return [*php_findings(php), Finding("dot", f"kernel: {php.kernel}; php.ini: {php.ini_file or 'none'}")]
