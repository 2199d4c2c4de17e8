"""Turn unpacked Debian PHP libraries into a `vendor` folder with Composer's own optimised autoloader.

Debian ships each library below /usr/share/php with a generated `autoload.php` that names absolute paths. Here the
libraries move into an application's `vendor`, and Composer, from its own Debian package, writes the class map, so
that the application starts as it would after `composer install`.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from scripts.apps.commands import run

PHP_SHARE = Path("usr/share/php")
# Libraries which only Composer itself uses.
COMPOSER_ONLY = {"Composer", "JsonSchema", "MabeEnum", "React", "Seld", "data", "autoload.php"}
FILES_SECTION = re.compile(r"^// Files\n(?P<lines>.*)", re.MULTILINE | re.DOTALL)
REQUIRED_FILE = re.compile(r"^require_once __DIR__ *\. *'(?P<path>[^']+)';", re.MULTILINE)


def relocate(root: Path) -> None:
    """Make the generated autoloaders below `root` find their libraries wherever `root` is."""
    share = root / PHP_SHARE
    for file in share.rglob("autoload*.php"):
        up = "/".join([".."] * (len(file.relative_to(share).parts) - 1)) or "."
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(f"'/{PHP_SHARE}/", f"__DIR__ . '/{up}/"), encoding="utf-8")


def copy_libraries(root: Path, vendor: Path, *, apart: frozenset[str] = frozenset()) -> None:
    """Copy every library of `root` that an application uses to `vendor`, except those named in `apart`.

    The originals stay, because Composer needs some of them to run.
    """
    vendor.mkdir(parents=True)
    for entry in sorted((root / PHP_SHARE).iterdir()):
        if entry.name not in COMPOSER_ONLY | apart:
            shutil.copytree(entry, vendor / entry.name)


def files_to_load(app: Path) -> list[str]:
    """Return what Debian's autoloaders require besides classes (Composer's "files"), and remove the autoloaders."""
    files = set()
    for loader in sorted((app / "vendor").rglob("autoload*.php")):
        section = FILES_SECTION.search(loader.read_text(encoding="utf-8"))
        for match in REQUIRED_FILE.finditer(section["lines"] if section else ""):
            path = (loader.parent / match["path"].lstrip("/")).resolve()
            files.add(str(path.relative_to(app.resolve())))
    for loader in (app / "vendor").rglob("autoload*.php"):
        loader.unlink()
    return sorted(path for path in files if (app / path).is_file() and not Path(path).name.startswith("autoload"))


def dump_autoload(app: Path, root: Path, php: str, log: Path) -> None:
    """Write `vendor/autoload.php` and what else `composer install` leaves, with the Composer below `root`.

    The application's composer.json keeps its entries and gains the `files` of the libraries.
    """
    manifest = app / "composer.json"
    content: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    content["autoload"]["files"] = files_to_load(app)
    manifest.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    run(
        [
            php,
            "-d",
            "memory_limit=1G",
            "-d",
            f"include_path={root / PHP_SHARE}",
            root / "usr/bin/composer",
            "dump-autoload",
            "--optimize",
            "--no-interaction",
        ],
        cwd=app,
        env={
            "COMPOSER_ALLOW_SUPERUSER": "1",
            "COMPOSER_DISABLE_NETWORK": "1",
            "COMPOSER_HOME": str(root / "composer-home"),
        },
        log=log,
    )
    installed = app / "vendor/composer"
    shutil.copy(root / PHP_SHARE / "Composer/InstalledVersions.php", installed)
    (installed / "installed.php").write_text(
        "<?php return ['root' => ['name' => '"
        + str(content["name"])
        + "', 'pretty_version' => 'dev', 'version' => 'dev',"
        " 'reference' => null, 'type' => 'project', 'install_path' => __DIR__.'/../../', 'aliases' => [], 'dev' => false],"
        " 'versions' => []];\n",
        encoding="utf-8",
    )
