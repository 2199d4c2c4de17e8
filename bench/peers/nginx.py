"""nginx before PHP-FPM (of the same PHP as Askr's, and of the distribution) and before uWSGI."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.paths import SetupError, tool, vendor_prefix
from bench.peers import ini
from bench.peers.base import ALL_SITES, HOST, Peer, Running, Setting, listening, spawned, wait_answers

# Laravel 13 wants a newer PHP than the distribution has.
DOCUMENTS = frozenset({"documents"})

# As a distribution sets it up, without an access log: worker processes by CPUs, FastCGI connections by request.
NGINX = """\
daemon off;
{user}
worker_processes {cpus};
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log warn;
events {{ worker_connections 16384; }}
http {{
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 75;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/body;
  fastcgi_temp_path {folder}/fastcgi;
  proxy_temp_path {folder}/proxy;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {address};
    root {root};
    index index.php;
    location / {{ try_files $uri {fallback}; }}
    location ~ \\.php$ {{
      try_files $uri =404;
      {handler}
    }}
  }}
}}
"""
FASTCGI = """\
include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_pass unix:{folder}/php.sock;"""
UWSGI = """\
include /etc/nginx/uwsgi_params;
      uwsgi_modifier1 14; # PHP
      uwsgi_pass unix:{folder}/php.sock;"""
FPM = """\
[global]
error_log = {folder}/fpm-errors.log
daemonize = no
[www]
listen = {folder}/php.sock
pm = static
pm.max_children = {executors}
clear_env = no
{identity}
"""


@dataclass(frozen=True)
class Fpm:
    """One PHP-FPM: its program and its OPcache."""

    program: str
    opcache: Path


def _vendor_fpm() -> Fpm:
    prefix = vendor_prefix()
    opcache = next(prefix.glob("lib/php/extensions/*/opcache.so"), None)
    if opcache is None:
        raise SetupError(f"{prefix} has no opcache.so")
    return Fpm(str(prefix / "sbin/php-fpm"), opcache)


def _distribution_fpm() -> Fpm:
    program = next((path for path in sorted(Path("/usr/sbin").glob("php-fpm*"), reverse=True)), None)
    opcache = next(Path("/usr/lib/php").glob("*/opcache.so"), None)
    if program is None or opcache is None:
        raise SetupError("the distribution's PHP-FPM is not installed; run: apt-get install php-fpm php-opcache")
    return Fpm(str(program), opcache)


@contextmanager
def _fpm(setting: Setting, find: Callable[[], Fpm]) -> Iterator[int]:
    fpm = find()
    folder = setting.folder
    settings = ini.write(folder, fpm.opcache)
    is_root = os.geteuid() == 0
    identity = "user = root\ngroup = root" if is_root else ""
    config = folder / "fpm.conf"
    config.write_text(FPM.format(folder=folder, executors=setting.executors, identity=identity))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/php.sock")
        listener.listen(1024)
        words = [fpm.program, "-c", settings, "-y", config, *(["--allow-to-run-as-root"] if is_root else [])]
        env = {"FPM_SOCKETS": f"{folder}/php.sock={listener.fileno()}", "PHP_INI_SCAN_DIR": ""}
        with spawned(words, setting, name="fpm", env=env, pass_fds=[listener.fileno()]) as process:
            listener.close()
            yield process.pid


@contextmanager
def _uwsgi(setting: Setting) -> Iterator[int]:
    folder = setting.folder
    words = [tool("uwsgi", "uwsgi-core uwsgi-plugin-php"), "--plugin", "php", "--master", "--die-on-term"]
    words += ["--processes", str(setting.executors), "--socket", f"{folder}/php.sock", "--listen", "100"]
    words += ["--php-docroot", str(setting.site.root), "--php-allowed-ext", ".php", "--disable-logging"]
    opcache = next(Path("/usr/lib/php").glob("*/opcache.so"), None)
    words += ["--php-ini", str(ini.write(folder, opcache))]
    with spawned(words, setting, name="uwsgi", env={"PHP_INI_SCAN_DIR": ""}) as process:
        yield process.pid


@contextmanager
def _start(
    name: str, setting: Setting, handler: str, backend: Callable[[Setting], AbstractContextManager[int]]
) -> Iterator[Running]:
    folder = setting.folder
    with ExitStack() as stack:
        back = stack.enter_context(backend(setting))
        listener = stack.enter_context(listening())
        port = int(listener.getsockname()[1])
        config = folder / "nginx.conf"
        config.write_text(
            NGINX.format(
                user="user root;" if os.geteuid() == 0 else "",
                cpus=len(os.sched_getaffinity(0)),
                folder=folder,
                address=f"{HOST}:{port}",
                root=setting.site.root,
                fallback="/index.php$is_args$args" if setting.site.has_front else "=404",
                handler=handler.format(folder=folder),
            )
        )
        words = [tool("nginx", "nginx-light"), "-e", folder / "nginx-errors.log", "-c", config]
        # nginx takes over a socket that listens, as in an upgrade of its own program.
        env = {"NGINX": f"{listener.fileno()};"}
        process = stack.enter_context(spawned(words, setting, name="nginx", env=env, pass_fds=[listener.fileno()]))
        listener.close()
        running = Running(
            name,
            port,
            (process.pid, back),
            executors=lambda: processes.children(back),
            edges=lambda: processes.children(process.pid),
        )
        wait_answers(running, setting, [process])
        yield running


FPM_VENDOR = Peer(
    "nginx-fpm",
    "nginx + PHP-FPM",
    ALL_SITES,
    lambda setting: _start("nginx-fpm", setting, FASTCGI, lambda own: _fpm(own, _vendor_fpm)),
)
FPM_DISTRIBUTION = Peer(
    "nginx-fpm-distribution",
    "nginx + PHP-FPM (distribution's)",
    DOCUMENTS,
    lambda setting: _start("nginx-fpm-distribution", setting, FASTCGI, lambda own: _fpm(own, _distribution_fpm)),
    serves_static=False,
)
UWSGI_DISTRIBUTION = Peer(
    "nginx-uwsgi",
    "nginx + uWSGI (distribution's)",
    DOCUMENTS,
    lambda setting: _start("nginx-uwsgi", setting, UWSGI, _uwsgi),
    serves_static=False,
)
