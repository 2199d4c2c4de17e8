"""MediaWiki on SQLite, with one administrator (Admin / adminpassword1)."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from scripts.apps.commands import run
from scripts.apps.errors import FetchError
from scripts.apps.layout import HERE, Application
from scripts.apps.php_cli import PhpNeeds

if TYPE_CHECKING:
    from scripts.apps.layout import Build

# No extension is enabled, and the wiki speaks English: without the rest, a copy has a sixth of the size.
UNUSED = ("extensions-core", "extensions")
KEPT_MESSAGES = {"en.json", "qqq.json"}


def lay_out(build: Build) -> str:
    """Make the wiki and install its tables; return the version."""
    app = build.app
    shutil.copytree(build.root / "usr/share/mediawiki", app)
    for name in UNUSED:
        shutil.rmtree(app / name)
    for file in (app / "languages/i18n").rglob("*.json"):
        if file.name not in KEPT_MESSAGES:
            file.unlink()
    for folder in ("data", "cache", "images", "extensions"):
        (app / folder).mkdir(exist_ok=True)
    # The installer keeps the path of the data folder in its settings, as it was given.
    run(
        [
            build.php,
            "maintenance/run.php",
            "install",
            "--dbtype=sqlite",
            f"--dbpath={app / 'data'}",
            "--dbname=wiki",
            "--server=http://localhost",
            "--scriptpath=",
            "--lang=en",
            "--pass=adminpassword1",
            "Test Wiki",
            "Admin",
        ],
        cwd=app,
        log=build.log,
    )
    settings = app / "LocalSettings.php"
    generated = settings.read_text(encoding="utf-8").replace(f'"{app / "data"}"', "__DIR__ . '/data'")
    extra = (HERE / "skeletons/mediawiki/settings.php").read_text(encoding="utf-8").removeprefix("<?php\n")
    settings.write_text(generated + extra, encoding="utf-8")
    defines = (app / "includes/Defines.php").read_text(encoding="utf-8")
    version = re.search(r"define\( 'MW_VERSION', '(.*)' \);", defines)
    if version is None:
        message = f"{app / 'includes/Defines.php'} names no MW_VERSION"
        raise FetchError(message)
    return f"MediaWiki {version[1]}"


MEDIAWIKI = Application(
    name="mediawiki",
    packages=("mediawiki",),
    suite="sid",
    php=PhpNeeds(
        80100, ("calendar", "ctype", "dom", "fileinfo", "iconv", "intl", "mbstring", "pdo_sqlite", "xmlreader")
    ),
    sources=("mediawiki.py", "skeletons/mediawiki"),
    lay_out=lay_out,
)
