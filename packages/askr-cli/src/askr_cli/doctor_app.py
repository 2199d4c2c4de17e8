"""What `askr doctor --app PATH` says about an application: its settings, and which of them cannot work here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from askr_cli.output import Mark

Row = tuple["Mark", str]

SETTINGS = (
    "APP_ENV",
    "APP_URL",
    "SESSION_DRIVER",
    "CACHE_STORE",
    "QUEUE_CONNECTION",
    "BROADCAST_CONNECTION",
    "MAIL_MAILER",
)
ASKR_DRIVERS = ("SESSION_DRIVER", "CACHE_STORE", "QUEUE_CONNECTION", "BROADCAST_CONNECTION")
MAIL_KEYS: dict[str, tuple[str, ...]] = {  # by mailer: any one of these is needed
    "resend": ("RESEND_KEY", "RESEND_API_KEY"),
    "postmark": ("POSTMARK_TOKEN", "POSTMARK_API_KEY"),
    "mailgun": ("MAILGUN_SECRET",),
    "ses": ("AWS_ACCESS_KEY_ID",),
}


def read_dotenv(text: str) -> dict[str, str]:
    """Return what a .env file sets: NAME=value lines, with quotes or without, a comment after a space cut off."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", line)
        if match is None:
            continue
        value = match[2]
        quoted = re.fullmatch(r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:#.*)?""", value)
        if quoted is not None:
            value = quoted[1] if quoted[1] is not None else quoted[2]
        else:
            value = re.split(r"\s+#|^#", value, maxsplit=1)[0]
        found[match[1]] = value
    return found


def app_findings(path: str, environment: Mapping[str, str]) -> list[Row]:
    """Judge the application in the folder `path`, as it would see `environment`."""
    folder = Path(path)
    if not folder.is_dir():
        return [("bad", "no such folder")]
    rows: list[Row] = []
    if (folder / "composer.json").is_file():
        rows.append(("ok", "composer.json"))
        if not (folder / "vendor/autoload.php").is_file():
            rows.append(("bad", "vendor/autoload.php is missing — run `composer install`"))
    else:
        rows.append(("bad", "no composer.json here — is this the app root?"))
    try:
        dotenv = read_dotenv((folder / ".env").read_text(errors="replace"))
    except OSError:
        dotenv = {}
    values = dotenv | {name: environment[name] for name in _all_names() if name in environment}
    sources = {name: "environment" if name in environment else ".env" for name in values}
    shown = " ".join(f"{name}={sources[name]}" for name in SETTINGS if name in values)
    if shown:
        words = f"reading configuration from: {shown} (a real environment variable beats .env, as in the application)"
        rows.append(("note", words))
    rows += [_askr_driver(name) for name in ASKR_DRIVERS if values.get(name) == "askr"]
    rows += _mail(values)
    url = values.get("APP_URL", "")
    host = re.sub(r"[:/].*$", "", re.sub(r"^[a-z]+://", "", url))
    if host == "localhost" or host.endswith(".test"):
        rows.append(("note", f"APP_URL is {url} — every generated link and asset points there"))
    return rows


def _all_names() -> set[str]:
    return {*SETTINGS, "MAIL_HOST", *(key for keys in MAIL_KEYS.values() for key in keys)}


def _askr_driver(name: str) -> Row:
    return ("bad", f"{name}=askr — this version has no shared cache or queue yet; choose another driver")


def _mail(values: Mapping[str, str]) -> list[Row]:
    mailer = values.get("MAIL_MAILER", "")
    if mailer in {"log", "array"}:
        return [("note", f"MAIL_MAILER={mailer} — mail is not sent")]
    if mailer == "smtp":
        if values.get("MAIL_HOST"):
            return [("ok", "MAIL_MAILER=smtp with MAIL_HOST set")]
        return [("bad", "MAIL_MAILER=smtp but MAIL_HOST is not set")]
    keys = MAIL_KEYS.get(mailer, ())
    if not keys:
        return []
    if any(values.get(key) for key in keys):
        return [("ok", f"MAIL_MAILER={mailer} with an API key present")]
    missing = f"neither {' nor '.join(keys)} is" if len(keys) > 1 else f"{keys[0]} is not"
    return [("bad", f"MAIL_MAILER={mailer} but {missing} set")]
