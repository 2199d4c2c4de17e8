"""The template process: boots PHP and the application once, then forks workers for the master.

Python's part ends where C's begins: `run` gathers the settings, calls `askr_template_run` and leaves with its exit code.
Workers are forked inside that call, so the interpreter is never entered again in them.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Literal, NoReturn

from askr_php import kernel

Mode = Literal["per-request", "worker"]


@dataclass(frozen=True)
class TemplateSpec:
    """What a template needs to know.

    Descriptors are inherited from the master and have the same numbers here.
    `script` is absolute: the front controller (per-request mode, where the fronts name the script of each request) or the worker script.
    `ini` is php.ini lines, after the built-in ones.
    """

    pool_fd: int
    spool_fd: int
    front_eventfds: tuple[int, ...]
    master_eventfd: int
    control_fd: int
    mode: Mode
    document_root: str
    script: str
    ini: str = ""
    max_requests: int = 0
    kernel: kernel.KernelName | None = None
    log_format: Literal["text", "json"] = "text"
    app_base: str | None = None


def run(spec: TemplateSpec) -> NoReturn:
    """Be the template until the master says stop; never returns, in the template or in a worker.

    The exit code is one of ASKR_EXIT_* (csrc/askr_php.h): 0, 70 when PHP or the application did not boot, 75 when the interpreter ended
    inside a request.
    """
    signal.set_wakeup_fd(-1)
    if spec.app_base is not None:
        os.environ["ASKR_APP_BASE"] = spec.app_base
    # Symfony takes every PHP_SAPI that it does not know for a command line, and would show exceptions to visitors.
    os.environ.setdefault("APP_RUNTIME_MODE", "web=1&worker=1" if spec.mode == "worker" else "web=1")
    try:
        module = kernel.load(kernel.choose(spec.kernel))
    except (kernel.KernelNotFoundError, ImportError) as error:
        os.write(2, f"askr: {error}\n".encode())
        os._exit(70)
    ffi, lib = module.ffi, module.lib
    eventfds = ffi.new("int[]", list(spec.front_eventfds))
    texts = [ffi.new("char[]", os.fsencode(text)) for text in (spec.ini, spec.document_root, spec.script)]
    config = ffi.new(
        "askr_php_config *",
        {
            "ini": texts[0],
            "document_root": texts[1],
            "script": texts[2],
            "mode": lib.ASKR_WORKER_MODE if spec.mode == "worker" else lib.ASKR_PER_REQUEST_MODE,
            "log_is_json": spec.log_format == "json",
            "max_requests": spec.max_requests,
            "master_pid": os.getppid(),
            "pool_fd": spec.pool_fd,
            "spool_fd": spec.spool_fd,
            "master_eventfd": spec.master_eventfd,
            "control_fd": spec.control_fd,
            "front_eventfds": eventfds,
            "fronts": len(spec.front_eventfds),
        },
    )
    os._exit(lib.askr_template_run(config))
