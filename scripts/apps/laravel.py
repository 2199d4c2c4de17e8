"""Laravel 13 on SQLite: the framework from Debian, the application from `skeletons/laravel`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from scripts.apps import composer
from scripts.apps.commands import run
from scripts.apps.layout import HERE, Application
from scripts.apps.php_cli import PhpNeeds

if TYPE_CHECKING:
    from scripts.apps.layout import Build

WRITABLE = (
    "app/private",
    "app/public",
    "framework/cache/data",
    "framework/sessions",
    "framework/views",
    "framework/testing",
    "logs",
)


def lay_out(build: Build) -> str:
    """Make the application with an empty, migrated database; return the version."""
    app = build.app
    shutil.copytree(HERE / "skeletons/laravel", app)
    composer.relocate(build.root)
    composer.copy_libraries(build.root, app / "vendor/debian", apart=frozenset({"Illuminate"}))
    # The framework finds its configuration by paths relative to upstream's layout, which Debian flattens.
    framework = app / "vendor/laravel/framework"
    (framework / "src").mkdir(parents=True)
    shutil.move(build.root / composer.PHP_SHARE / "Illuminate", framework / "src/Illuminate")
    for folder in ("config", "config-stubs"):
        shutil.move(framework / "src/Illuminate" / folder, framework / folder)
    composer.dump_autoload(app, build.root, build.php, build.log)
    for name in WRITABLE:
        (app / "storage" / name).mkdir(parents=True, exist_ok=True)
    (app / "bootstrap/cache").mkdir(exist_ok=True)
    (app / "database/database.sqlite").touch()
    (app / "env.example").rename(app / ".env")
    for words in (["key:generate", "--force"], ["migrate", "--force"], ["package:discover"]):
        run([build.php, "artisan", *words], cwd=app, log=build.log)
    return run([build.php, "artisan", "--version", "--no-ansi"], cwd=app, log=build.log).strip()


LARAVEL = Application(
    name="laravel",
    packages=("php-laravel-framework", "composer"),
    suite="sid",
    php=PhpNeeds(
        80300, ("ctype", "dom", "fileinfo", "mbstring", "openssl", "pcntl", "pdo_sqlite", "phar", "tokenizer")
    ),
    sources=("laravel.py", "skeletons/laravel"),
    lay_out=lay_out,
)
