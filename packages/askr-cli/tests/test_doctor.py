"""What `askr doctor` says, from facts as data."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from askr_cli import doctor
from askr_cli.__main__ import main
from askr_cli.doctor_app import app_findings, read_dotenv
from askr_php import probe
from askr_php.probe import PhpDescription, ProbeError

GOOD = PhpDescription(
    version="8.5.8",
    version_id=80508,
    is_zts=False,
    is_debug=False,
    extensions=[*doctor.REQUIRED_EXTENSIONS, *doctor.RECOMMENDED_EXTENSIONS, "pdo_sqlite", "pdo_mysql"],
    opcache_available=True,
    sapi_name="embed",
    ini_file=None,
    kernel="vendor",
)


def lines(php: PhpDescription) -> list[tuple[str, str]]:
    return [(finding.mark, finding.text) for finding in doctor.php_findings(php)]


def test_a_good_php_has_nothing_bad() -> None:
    assert {mark for mark, _ in lines(GOOD)} == {"ok", "dot"}
    assert ("ok", "PHP >= 8.5 (latest, JIT improvements)") in lines(GOOD)
    assert ("ok", "database drivers: pdo_sqlite, pdo_mysql") in lines(GOOD)
    assert lines(GOOD)[-1] == ("dot", "24 extensions loaded")


PHPS = [
    ({"version": "8.4.24", "version_id": 80424}, "ok", "PHP 8.4 (>= 8.3; 8.5 recommended)"),
    ({"version": "8.2.1", "version_id": 80201}, "bad", "PHP 8.2 is too old — Laravel 13 needs >= 8.3"),
    ({"is_zts": True}, "bad", "thread safety: ZTS  (REQUIRED: non-ZTS / NTS build)"),
    ({"extensions": ["ctype"]}, "bad", "ext-curl"),
    ({"extensions": ["ctype"]}, "bad", "no PDO database driver (need pdo_sqlite / pdo_mysql / pdo_pgsql)"),
    ({"extensions": ["ctype"]}, "soft", "ext-gd (recommended)"),
]


@pytest.mark.parametrize(("change", "mark", "text"), PHPS, ids=[text for _, _, text in PHPS])
def test_php_is_judged(change: dict[str, object], mark: str, text: str) -> None:
    assert (mark, text) in lines(replace(GOOD, **change))  # type: ignore[arg-type] # a row of the table


def test_which_wire_would_serve_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.wire_finding() == ("ok", "native wire")
    monkeypatch.setitem(sys.modules, "askr_http._kernel", None)
    found = doctor.wire_finding()
    assert found.mark == "soft"
    assert found.text.endswith("; the pure wire serves, several times slower")


def test_platforms() -> None:
    assert doctor.platform_findings("Linux", "6.8.0-x") == [("ok", "kernel 6.8.0-x (pidfd needs ≥ 5.4)")]
    assert doctor.platform_findings("Linux", "4.19.0")[0].mark == "bad"
    assert doctor.platform_findings("Darwin", "24.1")[0].mark == "bad"


def test_dotenv_values() -> None:
    text = "# c\nA=1\nB = two # c\nC=\"a # b\" # c\nexport D='x'\nE=\nbroken\nF=a#b\n"
    assert read_dotenv(text) == {"A": "1", "B": "two", "C": "a # b", "D": "x", "E": "", "F": "a#b"}


APPS = [  # .env, environment, finding
    ("", {}, ("bad", "no composer.json here — is this the app root?")),
    ("MAIL_MAILER=smtp", {}, ("bad", "MAIL_MAILER=smtp but MAIL_HOST is not set")),
    ("MAIL_MAILER=smtp\nMAIL_HOST=mx", {}, ("ok", "MAIL_MAILER=smtp with MAIL_HOST set")),
    ("MAIL_MAILER=resend", {}, ("bad", "MAIL_MAILER=resend but neither RESEND_KEY nor RESEND_API_KEY is set")),
    ("MAIL_MAILER=smtp", {"MAIL_MAILER": "resend", "RESEND_KEY": "x"}, ("ok", "MAIL_MAILER=resend with an API key present")),
    ("MAIL_MAILER=log", {}, ("note", "MAIL_MAILER=log — mail is not sent")),
    ("APP_URL=http://localhost:8000", {}, ("note", "APP_URL is http://localhost:8000 — every generated link and asset points there")),
    ("APP_URL=https://shop.test/x", {}, ("note", "APP_URL is https://shop.test/x — every generated link and asset points there")),
    ("CACHE_STORE=askr", {}, ("bad", "CACHE_STORE=askr — this version has no shared cache or queue yet; choose another driver")),
    (
        "APP_ENV=local\nCACHE_STORE=file",
        {"APP_ENV": "production"},
        ("note", "reading configuration from: APP_ENV=environment CACHE_STORE=.env (a real environment variable beats .env, as in the application)"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("dotenv", "environment", "finding"), APPS, ids=[finding[1][:30] for _, _, finding in APPS])
def test_applications_are_judged(
    tmp_path: Path, dotenv: str, environment: dict[str, str], finding: tuple[str, str]
) -> None:
    (tmp_path / ".env").write_text(dotenv)
    assert finding in app_findings(str(tmp_path), environment)


def test_an_address_of_its_own_is_no_finding(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("APP_URL=https://example.com")
    (tmp_path / "composer.json").write_text("{}")
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor/autoload.php").touch()
    assert {mark for mark, _ in app_findings(str(tmp_path), {})} == {"ok", "note"}


@pytest.mark.parametrize(("change", "code"), [({}, 0), ({"is_zts": True}, 1), ({"extensions": ["x"]}, 1)])
def test_the_exit_code_is_1_when_something_critical_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: dict[str, object], code: int
) -> None:
    php = replace(GOOD, **change)  # type: ignore[arg-type] # a row of the table
    monkeypatch.setattr(probe, "describe", lambda **_: php)
    assert main(["doctor"]) == code
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "askr doctor"
    assert shown[-1] == ("✗ critical checks failed — see above" if code else "✓ all critical checks passed")


def test_a_php_that_does_not_start_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> PhpDescription:
        message = "the vendor PHP kernel did not start PHP (exit code 70)"
        raise ProbeError(message)

    monkeypatch.setattr(probe, "describe", fail)
    assert main(["doctor"]) == 1
    assert "✗ embedded PHP: the vendor PHP kernel did not start PHP" in capsys.readouterr().out


def test_the_embedded_php_is_described() -> None:
    findings = doctor._probe("")
    assert findings[0].mark == "ok"
    assert findings[0].text.startswith("embedded PHP 8.")
