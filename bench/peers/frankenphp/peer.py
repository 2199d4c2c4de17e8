"""FrankenPHP, in classic and in worker mode."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.paths import SetupError
from bench.peers import ini
from bench.peers.base import PHP_SITES, Peer, Running, Setting, listening, spawned, wait_answers
from bench.peers.frankenphp.build import binary, php_prefix

# Caddy as its documentation sets it up for PHP, without TLS, administration and log of requests.
CADDYFILE = """\
{{
	admin off
	auto_https off
	persist_config off
	log {{
		level WARN
	}}
}}
http://:{port} {{
	bind fd/{descriptor}
	root * {root}
	try_files {{path}} {fallback}
	@php path *.php
	php @php {root} {executors} {worker}
	file_server
}}
"""


@contextmanager
def _start(setting: Setting, *, is_worker_mode: bool) -> Iterator[Running]:
    name = "frankenphp-worker" if is_worker_mode else "frankenphp"
    if not binary().exists():
        raise SetupError("FrankenPHP is not built; run: make bench ARGS=build-frankenphp")
    opcache = next(php_prefix().glob("lib/php/extensions/*/opcache.so"), None)
    prepended: tuple[str, ...] = ()
    if is_worker_mode:
        # One worker script for both servers: what FrankenPHP calls otherwise gets Askr's name before the script runs.
        alias = setting.folder / "askr_names.php"
        alias.write_text(
            "<?php\nfunction askr_handle_request($handler) { return frankenphp_handle_request($handler); }\n"
        )
        prepended = (f"auto_prepend_file={alias}",)
    ini.write(setting.folder, opcache, prepended)
    env = {
        "PHPRC": str(setting.folder),
        "PHP_INI_SCAN_DIR": "",
        "XDG_DATA_HOME": str(setting.folder),
        "XDG_CONFIG_HOME": str(setting.folder),
        "GOMAXPROCS": str(len(os.sched_getaffinity(0))),
    }
    with listening() as listener:
        port = int(listener.getsockname()[1])
        config = setting.folder / "Caddyfile"
        config.write_text(
            CADDYFILE.format(
                port=port,
                descriptor=listener.fileno(),
                root=setting.site.root,
                fallback="/index.php",
                executors=setting.executors,
                worker=setting.site.worker_script if is_worker_mode else "",
            )
        )
        words = [binary(), "run", "--adapter", "caddyfile", "--config", config]
        with spawned(words, setting, name=name, env=env, pass_fds=[listener.fileno()]) as process:
            listener.close()
            # PHP runs in threads of the one process that also holds the connections.
            running = Running(name, port, (process.pid,), lambda: [process.pid], list)
            wait_answers(running, setting, [process])
            yield running


CLASSIC = Peer("frankenphp", "FrankenPHP, classic", PHP_SITES, lambda setting: _start(setting, is_worker_mode=False))
WORKER = Peer(
    "frankenphp-worker",
    "FrankenPHP, worker mode",
    PHP_SITES,
    lambda setting: _start(setting, is_worker_mode=True),
    serves_static=False,
)
