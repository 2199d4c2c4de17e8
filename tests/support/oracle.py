"""nginx + PHP-FPM as an oracle: the same suites against the server that everybody knows.

`ASKR_TEST_ORACLE=1 make test` (or pytest) runs the application suites against it instead of Askr. A test that fails
there is wrong about PHP or about the application; one that passes there and fails on Askr found a difference.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHILDREN = 3

FPM = """\
[global]
error_log = {log}
daemonize = no
[www]
listen = {folder}/fpm.sock
pm = static
pm.max_children = {children}
clear_env = no
catch_workers_output = yes
decorate_workers_output = no
"""

# The parameters are written out: which of them a distribution's own file sets is not ours to know.
NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {log} error;
events {{ worker_connections 256; }}
http {{
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log off;
  client_max_body_size 16m;
  client_body_temp_path {folder}/body;
  fastcgi_temp_path {folder}/fastcgi;
  proxy_temp_path {folder}/proxy;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  fastcgi_buffers 32 16k;
  fastcgi_buffer_size 64k;
  server {{
    listen {address};
    root {root};
    index {front};
    location / {{ try_files $uri $uri/ /{front}$is_args$args; }}
    location ~ [^/]\\.php(/|$) {{
      fastcgi_split_path_info ^(.+?\\.php)(/.*)$;
      try_files $fastcgi_script_name =404;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param SERVER_SOFTWARE nginx;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param SERVER_NAME $host;
      fastcgi_param SERVER_ADDR $server_addr;
      fastcgi_param SERVER_PORT $server_port;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REMOTE_PORT $remote_port;
      fastcgi_param REQUEST_SCHEME $scheme;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param DOCUMENT_ROOT $document_root;
      fastcgi_param DOCUMENT_URI $document_uri;
      fastcgi_param SCRIPT_NAME $fastcgi_script_name;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_param REDIRECT_STATUS 200;
      fastcgi_pass unix:{folder}/fpm.sock;
    }}
  }}
}}
"""


def is_chosen() -> bool:
    """Return whether the suites run against the oracle."""
    return os.environ.get("ASKR_TEST_ORACLE", "") not in {"", "0"}


def find_fpm(php: str) -> list[str]:
    """Return the words that start PHP-FPM: `ASKR_PHP_FPM`, else the one built with the command line `php`, with OPcache."""
    chosen = os.environ.get("ASKR_PHP_FPM") or str(Path(php).parent.parent / "sbin/php-fpm")
    if not Path(chosen).exists():
        found = [
            path
            for name in ("php-fpm8.4", "php-fpm8.3", "php-fpm8.2")
            if (path := shutil.which(name, path="/usr/sbin"))
        ]
        assert found, "the oracle needs PHP-FPM; build it with `make php` or name it with ASKR_PHP_FPM=..."
        chosen = found[0]
    opcache = next(Path(chosen).parent.parent.glob("lib/php/extensions/*/opcache.so"), None)
    return [chosen, *(["-d", f"zend_extension={opcache}"] if opcache else [])]


@contextmanager
def nginx_fpm(root: Path, front: str, *, php: str, log: Path, env: Mapping[str, str], cwd: Path) -> Iterator[Server]:
    """Serve `root` with nginx and PHP-FPM for as long as the block lasts."""
    log.write_text("", encoding="utf-8")
    with ExitStack() as stack:
        # PHP-FPM's socket has a path of 107 bytes at most, which a folder of a test run may exceed.
        folder = stack.enter_context(TemporaryDirectory(prefix="askr-oracle-"))
        # Both are handed sockets that listen already (as in an upgrade of theirs): no port is guessed, nothing is polled.
        fpm_socket = stack.enter_context(socket.socket(socket.AF_UNIX))
        fpm_socket.bind(f"{folder}/fpm.sock")
        fpm_socket.listen(128)
        web_socket = stack.enter_context(socket.socket())
        web_socket.bind(("127.0.0.1", 0))
        web_socket.listen(128)
        address = "{}:{}".format(*web_socket.getsockname())
        user = "user root;" if os.geteuid() == 0 else ""
        settings = {
            "folder": folder,
            "log": log,
            "root": root,
            "front": front,
            "address": address,
            "user": user,
            "children": CHILDREN,
        }
        Path(folder, "fpm.conf").write_text(FPM.format(**settings), encoding="utf-8")
        Path(folder, "nginx.conf").write_text(NGINX.format(**settings), encoding="utf-8")
        as_root = ["--allow-to-run-as-root"] if os.geteuid() == 0 else []
        commands = (
            (
                [*find_fpm(php), *as_root, "-y", f"{folder}/fpm.conf"],
                fpm_socket,
                {"FPM_SOCKETS": f"{folder}/fpm.sock={fpm_socket.fileno()}"},
            ),
            (["nginx", "-e", str(log), "-c", f"{folder}/nginx.conf"], web_socket, {"NGINX": f"{web_socket.fileno()};"}),
        )
        output = stack.enter_context(log.open("ab"))
        pid = 0
        for words, listening, own in commands:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                pass_fds=[listening.fileno()],
                env={**os.environ, **env, **own, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
            )
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGTERM)
            pid = process.pid
        for listening in (fpm_socket, web_socket):
            listening.close()  # so that a server that does not start refuses, instead of letting the test wait
        yield Server(f"http://{address}", pid, log)
