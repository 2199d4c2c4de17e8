"""Symfony 7 with Twig: the components from Debian, the application from `skeletons/symfony`."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from scripts.apps import composer
from scripts.apps.commands import run
from scripts.apps.layout import HERE, Application
from scripts.apps.php_cli import PhpNeeds

if TYPE_CHECKING:
    from scripts.apps.layout import Build


def lay_out(build: Build) -> str:
    """Make the application with a warm container cache; return the version."""
    app = build.app
    shutil.copytree(HERE / "skeletons/symfony", app)
    composer.relocate(build.root)
    composer.copy_libraries(build.root, app / "vendor/debian")
    composer.dump_autoload(app, build.root, build.php, build.log)
    (app / "var/sessions").mkdir(parents=True)
    run([build.php, "bin/console", "cache:clear", "--no-ansi"], cwd=app, log=build.log)
    return run([build.php, "bin/console", "--version", "--no-ansi"], cwd=app, log=build.log).strip()


SYMFONY = Application(
    name="symfony",
    packages=(
        "php-symfony-framework-bundle",
        "php-symfony-twig-bundle",
        "php-symfony-yaml",
        "php-symfony-mime",
        "php-symfony-translation",
        "php-twig",
        "composer",
    ),
    suite="sid",
    php=PhpNeeds(80200, ("ctype", "dom", "iconv", "mbstring", "phar", "session", "tokenizer")),
    sources=("symfony.py", "skeletons/symfony"),
    lay_out=lay_out,
)
