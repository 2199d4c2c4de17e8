"""Start real applications, each on a copy of its layout, with Askr in both modes or with the oracle.

`ASKR_TEST_ORACLE=1` runs the same suites against nginx + PHP-FPM; worker mode does not exist there.
Layouts come from `scripts.apps`, which makes them when they are not in the cache yet.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripts.apps import laravel, mariadb, mediawiki, symfony, wordpress
from scripts.apps.layout import ensure
from scripts.apps.php_cli import find_php

from tests.support import oracle, server
from tests.support.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scripts.apps.layout import Application

    StartApp = Callable[..., AbstractContextManager["RunningApp"]]

PER_REQUEST = "per-request"
WORKER = "worker"
BOTH_MODES = [PER_REQUEST] if oracle.is_chosen() else [PER_REQUEST, WORKER]
WORKERS = 2


@dataclass(frozen=True)
class Served:
    """How an application is served: its document root and worker script (both relative), and what its log may say."""

    application: Application
    root: str = "."
    worker_script: str | None = None
    declared: Sequence[str] = ()


SERVED = {
    "laravel": Served(laravel.LARAVEL, root="public", worker_script="examples/laravel-worker.php"),
    "symfony": Served(
        symfony.SYMFONY,
        root="public",
        worker_script="examples/symfony-worker.php",
        declared=(r"No route found", r"RuntimeException: boom|Uncaught PHP Exception RuntimeException"),
    ),
    "wordpress": Served(wordpress.WORDPRESS),
    "mediawiki": Served(mediawiki.MEDIAWIKI),
}


@dataclass(frozen=True)
class RunningApp:
    """An application that answers at `url`, its own copy in `folder`, and the PHP command line `php` for its commands."""

    url: str
    mode: str
    folder: Path
    php: str
    server: server.Server

    def browser(self) -> Browser:
        """Return a new visitor."""
        return Browser(self.url)

    def run_php(self, *words: str) -> str:
        """Run `php words...` in the application's folder and return what it printed; it must succeed."""
        done = subprocess.run([self.php, *words], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def database_of(layout: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Run the layout's database, if it has one, on a copy; yield the environment that leads to it."""
    if not (layout / "extra/mysql").exists():
        yield {}
        return
    copy(layout / "extra/mysql", folder / "mysql")
    with mariadb.running(folder / "mysql", folder / "mysql.log") as database:
        yield {"WP_DB_HOST": f"localhost:{database.socket}"}


def copy(source: Path, target: Path) -> None:
    """Copy a folder, sharing blocks where the file system can, with times kept so that OPcache accepts the files."""
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


@contextmanager
def running_app(name: str, mode: str, folder: Path, wire: str) -> Iterator[RunningApp]:
    """Copy the application `name` to `folder` and serve it over `wire` for as long as the block lasts."""
    served = SERVED[name]
    layout, php = ensure(served.application), find_php(served.application.php)
    app, log = folder / "app", folder / "server.log"
    copy(layout / "app", app)
    with ExitStack() as stack:
        env = {"ASKR_APP_BASE": str(app), "ASKR_PHP": "vendor", **stack.enter_context(database_of(layout, folder))}
        root = (app / served.root).resolve()
        if oracle.is_chosen():
            running = stack.enter_context(oracle.nginx_fpm(root, "index.php", php=php, log=log, env=env, cwd=app))
        else:
            arguments: list[str | Path] = ["--root", root, "--workers", str(WORKERS), "--wire", wire]
            if mode == WORKER:
                assert served.worker_script is not None
                arguments += ["--worker-script", server.REPOSITORY / served.worker_script]
            running = stack.enter_context(
                server.askr_serve(*arguments, log=log, env=env, cwd=app, declared=served.declared, timeout_s=60.0),
            )
        yield RunningApp(running.url, mode, app, php, running)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def askr_app(tmp_path_factory: pytest.TempPathFactory) -> StartApp:
    """Return a function: `with askr_app(name, mode) as app` runs the application `name` for as long as the block lasts.

    All run over the native wire. What the wires differ in, the other suites ask of both; here Laravel in worker mode runs over the pure
    one as well (`wire="pure"`), for the whole of an application's traffic.
    """
    return lambda name, mode, wire="native": running_app(
        name, mode, tmp_path_factory.mktemp(f"{name}-{mode}-{wire}"), wire
    )


@pytest.fixture
def browser(app: RunningApp) -> Iterator[Browser]:
    """A new visitor of the application that the suite's own `app` runs."""
    with app.browser() as visitor:
        yield visitor
