"""WordPress on MariaDB: the code, and a data folder with its tables (admin / adminpass)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.apps import mariadb
from scripts.apps.commands import run
from scripts.apps.errors import FetchError
from scripts.apps.layout import HERE, Application
from scripts.apps.php_cli import PhpNeeds

if TYPE_CHECKING:
    from scripts.apps.layout import Build

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def lay_out(build: Build) -> str:
    """Make the blog and install its tables in `extra/mysql`; return the version."""
    app = build.app
    shutil.copytree(build.root / "usr/share/wordpress", app)
    shutil.copytree(build.root / "var/lib/wordpress/wp-content", app / "wp-content", dirs_exist_ok=True)
    if CA_BUNDLE.exists():
        (app / "wp-includes/certificates").mkdir(exist_ok=True)
        shutil.copy(CA_BUNDLE, app / "wp-includes/certificates/ca-bundle.crt")
    shutil.copy(HERE / "skeletons/wordpress/wp-config.php", app / "wp-config.php")
    (app / "wp-content/uploads").mkdir(exist_ok=True)
    data = build.extra / "mysql"
    mariadb.install(data, build.log)
    with mariadb.running(data, build.log) as database:
        database.sql("create database wordpress character set utf8mb4")
        run(
            [build.php, HERE / "skeletons/wordpress/install.php", app],
            env={"WP_DB_HOST": f"localhost:{database.socket}"},
            log=build.log,
        )
    version = re.search(
        r"^\$wp_version = '(.*)';", (app / "wp-includes/version.php").read_text(encoding="utf-8"), re.MULTILINE
    )
    if version is None:
        message = f"{app / 'wp-includes/version.php'} names no version"
        raise FetchError(message)
    return f"WordPress {version[1]}"


WORDPRESS = Application(
    name="wordpress",
    packages=("wordpress", "wordpress-theme-twentytwentyfive"),
    suite="sid",
    php=PhpNeeds(80000, ("ctype", "dom", "fileinfo", "mbstring", "mysqli", "openssl")),
    sources=("wordpress.py", "mariadb.py", "skeletons/wordpress"),
    lay_out=lay_out,
)
