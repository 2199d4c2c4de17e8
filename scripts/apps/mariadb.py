"""A private MariaDB: one data folder, one Unix socket, no port, no account but root without a password."""

from __future__ import annotations

import getpass
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from scripts.apps.commands import run
from scripts.apps.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 30.0
# Small files: a data folder is copied for every test run.
SIZE_OPTIONS = (
    "--innodb-log-file-size=4M",
    "--innodb-undo-tablespaces=0",
    "--innodb-data-file-path=ibdata1:4M:autoextend",
    "--innodb-autoextend-increment=1",
)
# A test's database may be lost with the machine, so it does not wait for the disk.
SPEED_OPTIONS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=32M",
    "--performance-schema=OFF",
    "--skip-name-resolve",
)


@dataclass(frozen=True)
class Database:
    """A running MariaDB: where its socket is, and a way to run SQL as root."""

    socket: Path
    log: Path

    def sql(self, statement: str) -> str:
        """Run `statement` and return what the client prints, columns separated by tabs.

        Raises:
            FetchError: the server refused it.
        """
        return run(["mariadb", "--no-defaults", "-uroot", "-S", self.socket, "-N", "-B", "-e", statement], log=self.log)


def install(data: Path, log: Path) -> None:
    """Make an empty data folder.

    Raises:
        FetchError: MariaDB is not there; the message names the command that installs it.
    """
    for command in ("mariadb-install-db", "mariadbd", "mariadb"):
        if shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
            message = f"{command} is missing; run: apt-get install mariadb-server-core mariadb-client-core"
            raise FetchError(message)
    run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--user={getpass.getuser()}",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *SIZE_OPTIONS,
        ],
        log=log,
    )


@contextmanager
def running(data: Path, log: Path) -> Iterator[Database]:
    """Run MariaDB on the data folder `data`; stop it in order, so that the folder can be copied afterwards.

    Raises:
        FetchError: it did not start; carries the end of its log.
    """
    # The path of a Unix socket may have 107 bytes at most, which a folder of a test run may exceed.
    with TemporaryDirectory(prefix="askr-db-") as folder:
        path = Path(folder) / "s"
        with log.open("a", encoding="utf-8") as output:
            server = subprocess.Popen(
                [
                    shutil.which("mariadbd") or "/usr/sbin/mariadbd",
                    "--no-defaults",
                    f"--user={getpass.getuser()}",
                    f"--datadir={data}",
                    f"--socket={path}",
                    "--skip-networking",
                    *SIZE_OPTIONS,
                    *SPEED_OPTIONS,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            _wait_until_it_accepts(server, path, log)
            yield Database(path, log)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _wait_until_it_accepts(server: subprocess.Popen[bytes], path: Path, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    died = os.pidfd_open(server.pid)
    try:
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    return
            if select.select([died], [], [], 0.02)[0]:  # MariaDB has no way to say that it is ready
                break
    finally:
        os.close(died)
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    message = f"MariaDB did not start; whole output: {log}\n{tail}"
    raise FetchError(message)
