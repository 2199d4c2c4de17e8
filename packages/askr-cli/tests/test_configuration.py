"""Flags and askr.toml: what they mean, and what is said about what they cannot mean."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askr_cli import arguments, options, reference, version
from askr_cli.__main__ import main
from askr_cli.config_file import ConfigError, parse_config
from askr_cli.resolve import find_places, resolve_settings
from askr_cli.toml_lines import key_lines
from askr_cli.values import Address, InvalidValueError, Kind, format_size

CHECKOUT = Path(__file__).resolve().parents[3]

FILE_ERRORS = [  # file, message after "askr.toml"
    ("[server]\nworker = 3\n", ':2: [server] unknown key "worker"; did you mean "workers"?'),
    ('# first\n\n[server]\nlisten = """127.0.0.1:1"""\nzzz = 1\n', ':5: [server] unknown key "zzz"'),
    ('[server]\nscript = "w.php"\n', ':2: [server] unknown key "script"; did you mean "scripts"?'),
    ("[worker]\nworkers = 3\n", ':2: [worker] unknown key "workers"; it belongs in [server]'),
    ("server.worker = 3\n", ':1: [server] unknown key "worker"; did you mean "workers"?'),
    (
        'server = { workers = 1, front = "a",\tlissten = "x" }\n',
        ':1: [server] unknown key "lissten"; did you mean "listen"?',
    ),
    ("[sever]\nworkers = 3\n", ":1: unknown section [sever]; did you mean [server]?"),
    ("\nworkers = 3\n", ':2: unknown key "workers" outside of a section; it belongs in [server]'),
    ("server = 3\n", ":1: server must be a table ([server]), not an integer"),
    ("[[server]]\nworkers = 3\n", ":1: server must be a table ([server]), not an array"),
    ("\n[tls]\nself_signed = true\n", ":2: [tls] is not in this version"),
    ("[[site]]\nhosts = []\n", ":1: [site] is not in this version"),
    ("[server]\nfront = 'a'\nmax_rss = 100\n", ':3: [server] key "max_rss" is not in this version'),
    ("[server]\nworkers = true\n", ":2: server.workers must be an integer or a string, not true or false"),
    ("[server]\nworkers = 0\n", ":2: server.workers must be \"auto\" or a number from 1 to 512, not '0'"),
    ("[server]\nhttps = 1\n", ":2: server.https must be true or false, not an integer"),
    ("[server]\nlisten = 8000\n", ":2: server.listen must be a string, not an integer"),
    (
        "[server]\nlisten = ':8000'\n",
        ":2: server.listen must be an IP address and a port, such as 127.0.0.1:8000 or [::1]:8000, not ':8000'",
    ),
    ("[server]\nmax_body_size = '16 X'\n", None),
    ("[server]\ndrain_timeout = -1\n", None),
    ("[server]\nheader_read_timeout = nan\n", None),
    ("[server]\nheader_read_timeout = 2026-01-01\n", None),
    ("[server\nworkers = 3\n", ":1:8: Expected ']' at the end of a table declaration"),
    ("[server]\nworkers = \n", ":2:11: Invalid value"),
    ("[server]\nworkers = 3\nworkers = 4\n", None),
    ("[server]\nworkers = " + "[" * 9000, ": nested too deeply, or a number of more than 4300 digits"),
    ("[server]\nworkers = " + "1" * 9000, ": nested too deeply, or a number of more than 4300 digits"),
    ("[server]\nworkers = 0x" + "f" * 9000, ":2: server.workers is a number too large"),
    ('[server]\nmax_body_size = "2048G"\n', ":2: server.max_body_size must be at most 1024G, not '2048G'"),
]

FLAG_ERRORS = [  # arguments, message
    (["serve", "--worker", "3"], "unknown flag --worker; did you mean --workers?"),
    (["serve", "--work", "3"], "unknown flag --work; did you mean --workers?"),
    (["serve", "--admin", "127.0.0.1:9000"], "--admin is not in this version"),
    (["serve", "--acme-domain=example.com"], "--acme-domain is not in this version"),
    (["serve", "--listen", "localhost:80"], None),
    (["serve", "--max-body-size", "16X"], None),
    (["serve", "here"], "unexpected argument 'here'"),
    (["doctor", "--ap", "."], "unknown flag --ap; did you mean --app?"),
    (["config-check"], "the following arguments are required: FILE"),
    (["tune"], "the command tune is not in this version"),
    (["upgrade", "--check"], "the command upgrade is not in this version"),
    (["sevre"], "unknown command 'sevre'; did you mean serve?"),
    ([], "which command? serve, doctor, config-check (askr --help)"),
]


def settings_of(*words: str, env: dict[str, str] | None = None) -> options.Settings:
    found = vars(arguments.parse_arguments(["serve", *words]))
    return resolve_settings({name: value for name, value in found.items() if name != "command"}, env or {})


@pytest.mark.parametrize(("text", "message"), FILE_ERRORS, ids=[text[:60] for text, _ in FILE_ERRORS])
def test_a_wrong_file_is_refused_with_its_place(text: str, message: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "askr.toml")
    assert str(caught.value).startswith("askr.toml:")
    if message is not None:
        assert str(caught.value) == f"askr.toml{message}"


@pytest.mark.parametrize(("words", "message"), FLAG_ERRORS, ids=[" ".join(words) for words, _ in FLAG_ERRORS])
def test_a_wrong_command_line_ends_with_2(
    words: list[str], message: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("askr: ")
    if message is not None:
        assert error == f"askr: {message}\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"askr {version.VERSION}\n"
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["version"] == version.VERSION


def test_defaults_are_the_same_with_and_without_sections() -> None:
    assert parse_config("", "f") == parse_config("[server]\n[worker]\n", "f") == {}
    assert settings_of() == options.make_settings({})


def test_the_table_and_the_record_have_the_same_names() -> None:
    assert {option.name for option in options.OPTIONS} == {field.name for field in fields(options.Settings)}
    known = {option.flag for option in options.OPTIONS}
    assert not known & options.LATER_FLAGS
    assert not {option.key for option in options.OPTIONS} & options.LATER_KEYS


def test_every_flag_and_its_key_mean_the_same(tmp_path: Path) -> None:
    samples = {
        Kind.ADDRESS: "[::1]:80", Kind.PATH: "a/b", Kind.TEXT: "x=1", Kind.WORKERS: "7", Kind.FRONTS: "3", Kind.COUNT: "9",
        Kind.FRONT: "a/b", Kind.WIRE: "pure", Kind.CONNECTIONS: "5", Kind.SECONDS: "2.5", Kind.GRACE: "0", Kind.SIZE: "3k", Kind.SWITCH: "true",
    }  # fmt: skip
    for option in options.OPTIONS:
        if option.flag is None or option.key is None:
            continue
        section, _, key = option.key.partition(".")
        text = samples[option.kind]
        words = [option.flag] if option.kind is Kind.SWITCH else [option.flag, text]
        text = "false" if option.is_negative else text
        is_string = option.kind.toml_types[0] is str or option.kind is Kind.SIZE
        path = tmp_path / "askr.toml"
        path.write_text(f"[{section}]\n{key} = " + (f'"{text}"' if is_string else text))
        by_flag, by_key = settings_of(*words), settings_of("--config", str(path))
        assert getattr(by_flag, option.name) == getattr(by_key, option.name) != option.default_value()


def test_workers_may_be_a_number_or_a_text() -> None:
    for value, workers in (("3", 3), ('"3"', 3), ('"auto"', None)):
        assert parse_config(f"[server]\nworkers = {value}", "f") == {"workers": workers}


def test_config_refuses_the_flags_that_it_would_make_void(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "askr.toml"
    path.write_text("")
    assert main(["serve", "--ini", "secret=1", "--config", str(path), "--workers", "2", "--log-format", "json"]) == 1
    expected = "askr: --config is the whole configuration, so these flags would be ignored: --workers --ini\n"
    assert capsys.readouterr().err == expected


def test_environment_gives_what_neither_flag_nor_file_says(tmp_path: Path) -> None:
    env = {"ASKR_PHP_INI": "a=1", "ASKR_APP_BASE": "/srv", "RUST_LOG": "debug"}
    assert settings_of(env=env).ini == "a=1"
    assert settings_of("--ini", "b=2", env=env).ini == "b=2"
    path = tmp_path / "askr.toml"
    path.write_text('[worker]\napp_base = "/opt"\n')
    found = settings_of("--config", str(path), env=env)
    assert (found.app_base, found.ini, found.log_filter) == ("/opt", "a=1", "debug")
    with pytest.raises(ConfigError, match=r"\$RUST_LOG names no level 'loud'"):
        settings_of(env={"RUST_LOG": "askr=loud"})


def test_cow_needs_a_worker_script() -> None:
    with pytest.raises(ConfigError, match="--cow requires --worker-script"):
        settings_of("--cow")
    assert settings_of("--cow", "--worker-script", "w.php").cow


def test_a_front_controller_can_be_done_without_per_request_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of("--front", "", "--root", str(tmp_path))
    assert find_places(settings).front_controller == ""
    with pytest.raises(ConfigError, match=r"an empty --front .* is for per-request mode"):
        settings_of("--front", "", "--worker-script", "w.php")
    path = tmp_path / "askr.toml"
    path.write_text('[server]\nfront = ""\n')
    assert main(["config-check", str(path)]) == 0
    assert "none: what no file answers is 404" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wire", "fast"], 'argument --wire: must be "auto", "native" or "pure", not \'fast\''),
        (["--max-connections", "0"], "argument --max-connections: must be a number from 1 to 1048576, not '0'"),
    ],
)
def test_what_is_no_wire_and_no_number_of_connections(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *words]) == 2
    assert capsys.readouterr().err == f"askr: {message}\n"


def test_places_are_absolute_and_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"front controller not found: .*/index.php"):
        find_places(settings_of())
    (tmp_path / "index.php").touch()
    assert find_places(settings_of()).root == str(tmp_path)
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "app.php").touch()
    places = find_places(settings_of("--front", "app.php"))
    assert places.script == str(tmp_path / "public" / "app.php")
    with pytest.raises(ConfigError, match="not below the document root"):
        find_places(settings_of("--front", "../index.php"))
    with pytest.raises(ConfigError, match="document root not found"):
        find_places(settings_of("--root", "nowhere"))
    with pytest.raises(ConfigError, match="worker script not found"):
        find_places(settings_of("--front", "app.php", "--worker-script", "w.php"))
    with pytest.raises(ConfigError, match="app_base is not a directory"):
        find_places(settings_of("--front", "app.php", env={"ASKR_APP_BASE": "/nowhere"}))


def test_config_check_shows_what_a_file_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "askr.toml"
    path.write_text(
        '[server]\nlisten = "[::]:80"\nworkers = 4\nmax_body_size = "1k"\n[worker]\nscript = "/srv/w.php"\n'
    )
    assert main(["config-check", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"✓ config OK: {path}"
    assert dict(line.strip().split(": ", 1) for line in lines[1:]) == {
        "listen": "       [::]:80", "root": "         public if it is a directory, else .", "front": "        index.php",
        "workers": "      4", "wire": "         auto", "mode": "         worker (boot once)", "worker script": "/srv/w.php", "max_requests": " 0",
        "max_rss_mb": "   0", "max_body_size": "1024 bytes", "tls": "          off", "admin": "        off",
    }  # fmt: skip
    path.write_text("[server]\nworker = 1\n")
    assert main(["config-check", str(path)]) == 1
    assert capsys.readouterr().err == f'askr: {path}:2: [server] unknown key "worker"; did you mean "workers"?\n'
    assert main(["config-check", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == f"askr: {tmp_path / 'none'}: No such file or directory\n"


def test_the_reference_pages_and_the_example_are_up_to_date() -> None:
    assert reference.main(["--check", str(CHECKOUT)]) == 0
    example = parse_config((CHECKOUT / "examples/askr.toml").read_text(), "f")
    assert options.make_settings(example) == options.make_settings({})
    parse_config("\n".join(reference.example_lines()), "f")


def test_the_reference_writes_what_is_missing(tmp_path: Path) -> None:
    assert reference.main(["--check", str(tmp_path)]) == 1
    assert reference.main([str(tmp_path)]) == 0
    assert reference.main(["--check", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    "text", ["1.2.3:80", "::1:80", "[::1]", "1.2.3.4:65536", "1.2.3.4:-1", "[1.2.3.4]:80", "é:1", ""]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidValueError):
        Kind.ADDRESS.parse(text)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_addresses_come_back(host: Any, port: int) -> None:
    address = Address(str(host), port)
    assert Kind.ADDRESS.parse(str(address)) == address


@given(st.integers(0, 1 << 40))
def test_sizes_come_back(size: int) -> None:
    assert Kind.SIZE.parse(format_size(size)) == size


KEYS = st.sampled_from(["a", "b-1", '"c d"', "'e.f'", '"g\\"h"', "9"])
VALUES = st.sampled_from(
    [
        "1",
        "'x'",
        '"a#b"',
        '"""m\n[no]\nk = 1 \\""" " """',
        "'''\n# '\n'''",
        "[1,\n 2, # c ]\n [3]]",
        "{ x = 1, y = '}' }",
        "1979-05-27",
        "1 # c = 2",
    ],
)


@given(st.lists(st.tuples(KEYS, st.lists(st.tuples(KEYS, VALUES), max_size=3)), max_size=4))
def test_every_key_is_found_where_it_stands(tables: list[tuple[str, list[tuple[str, str]]]]) -> None:
    text = "# start\n"
    expected: dict[tuple[str, ...], int] = {}
    for table, pairs in tables:
        name = next(iter(tomllib.loads(f"{table} = 0")))
        expected.setdefault((name,), text.count("\n") + 1)
        text += f"[ {table} ] # c\n"
        for key, value in pairs:
            inner = next(iter(tomllib.loads(f"{key} = 0")))
            expected.setdefault((name, inner), text.count("\n") + 1)
            text += f"\t{key} = {value}\n\n"
    assert key_lines(text) == expected
