"""PHP without a server: a description of the interpreter, and one script run to its end.

Both run in a forked child, because PHP cannot be stopped or started twice in a process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from askr_php import kernel

DESCRIPTION_BYTES = 64 * 1024


class ProbeError(Exception):
    """Raised when PHP did not start; the text says what is known."""


@dataclass(frozen=True)
class PhpDescription:
    """The PHP inside a kernel.

    `version_id` is PHP_VERSION_ID (80424 for 8.4.24); `extensions` are lower-cased names; `ini_file` is None when PHP found no php.ini.
    """

    version: str
    version_id: int
    is_zts: bool
    is_debug: bool
    extensions: list[str]
    opcache_available: bool
    sapi_name: str
    ini_file: str | None
    kernel: kernel.KernelName


@dataclass(frozen=True)
class ScriptResult:
    """What a script wrote and how it ended (PHP's exit status)."""

    output: bytes
    status: int


def _in_child(action: str, name: kernel.KernelName, ini: str, script: str = "") -> ScriptResult:
    """Fork, run `action` ("describe" or "script") in the child, and return what it wrote."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child leaves by _exit, coverage never hears of it
        os.close(reader)
        code = 70
        try:
            module = kernel.load(name)
            if action == "describe":
                buffer = module.ffi.new("char[]", DESCRIPTION_BYTES)
                size = module.lib.askr_php_describe(os.fsencode(ini), buffer, DESCRIPTION_BYTES)
                if size >= 0:
                    os.write(writer, module.ffi.buffer(buffer, size)[:])
                    code = 0
            else:
                status = module.lib.askr_php_run_script(os.fsencode(ini), os.fsencode(script), writer)
                code = status if 0 <= status < 256 else 70
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        output = pipe.read()
    _, wait_status = os.waitpid(pid, 0)
    status = os.waitstatus_to_exitcode(wait_status)
    if status < 0:
        message = f"the {name} PHP kernel was killed by signal {-status}"
        raise ProbeError(message)
    return ScriptResult(output, status)


def describe(wanted: str | None = None, ini: str = "") -> PhpDescription:
    """Return what PHP the chosen kernel has inside.

    Raises:
        ProbeError: PHP did not start (its own reason is on stderr).
        askr_php.kernel.KernelNotFoundError: there is no such kernel.
    """
    name = kernel.choose(wanted)
    result = _in_child("describe", name, ini)
    if result.status != 0:
        message = f"the {name} PHP kernel did not start PHP (exit code {result.status})"
        raise ProbeError(message)
    values: dict[str, str] = {}
    extensions: list[str] = []
    for line in result.output.decode().splitlines():
        key, _, value = line.partition(" ")
        if key == "extension":
            extensions.append(value.lower())
        else:
            values[key] = value
    return PhpDescription(
        version=values["version"],
        version_id=int(values["version_id"]),
        is_zts=values["zts"] == "1",
        is_debug=values["debug"] == "1",
        extensions=sorted(extensions),
        opcache_available="zend opcache" in extensions,
        sapi_name=values["sapi"],
        ini_file=values["ini"] or None,
        kernel=name,
    )


def run_script(script: str, wanted: str | None = None, ini: str = "") -> ScriptResult:
    """Run the PHP file `script` (absolute path) to its end and return what it wrote.

    Raises:
        ProbeError: the process was killed by a signal.
        askr_php.kernel.KernelNotFoundError: there is no such kernel.
    """
    return _in_child("script", kernel.choose(wanted), ini, script)
