from __future__ import annotations

import pytest

from askr_http.errors import ServerAnswer
from askr_http.exchange import Address, Headers, RequestHead
from askr_http.routing import Kind, Redirect, Refuse, RoutePolicy, Script, ServerOptions, StaticFile, Tree, route
from askr_http.target import parse_target

FILES = [
    "index.php",
    "wp-login.php",
    "wp-admin/index.php",
    "wp-admin/options.php",
    "docs/index.html",
    "both/index.php",
    "both/index.html",
    "css/app.css",
    "css/build/x.js",
    "upload/x.jpg",
    ".env",
    ".git/config",
    ".well-known/acme",
    "config.php.bak",
    "old.php~",
    "page.phtml",
    "lib.inc",
    "a%20b.txt",
    "a+b.txt",
    "a.php/inner.txt",
    "style.php.css",
    "app.phar",
    "shell.PHP",
    "café.txt",
    "backup.sql.old",
    "nested.php/real.php",
]
FRONT = Script(b"/index.php", b"/srv/index.php", b"")


def tree(path: bytes) -> Kind:
    name = path.decode(errors="replace").replace(" ", "%20")
    if name in FILES:
        return Kind.FILE
    if not name or any(file.startswith(name + "/") for file in FILES):
        return Kind.DIRECTORY
    return Kind.NOTHING


def ask(
    target: str, *, method: bytes = b"GET", scripts: bool = True, tree: Tree = tree, front: bytes = b"index.php"
) -> object:
    parsed = parse_target(method, target.encode("latin-1"))
    head = RequestHead(
        method,
        parsed.origin,
        parsed.raw_path,
        parsed.path,
        parsed.query,
        "http",
        b"a",
        Headers([]),
        "HTTP/1.1",
        Address("", 0),
        Address("", 0),
        is_tls=False,
    )
    return route(head, RoutePolicy(b"/srv", front, scripts), tree)


def script(name: str, path_info: str = "") -> Script:
    return Script(name.encode(), b"/srv" + name.encode(), path_info.encode())


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/css/app.css", "css/app.css"),
        ("/css/app.css?v=1", "css/app.css"),
        ("//css///app.css", "css/app.css"),
        ("/css/./app.css", "css/app.css"),
        ("/../css/app.css", "css/app.css"),
        ("/%2e%2e/css/app.css", "css/app.css"),
        ("/css/%61pp.css", "css/app.css"),
        ("/a%20b.txt", "a b.txt"),
        ("/a+b.txt", "a+b.txt"),
        ("/caf%C3%A9.txt", "café.txt"),
        ("/.well-known/acme", ".well-known/acme"),
        ("/docs/", "docs/index.html"),
    ],
)
def test_a_file_is_static(target: str, path: str) -> None:
    assert ask(target) == StaticFile(path.encode())


@pytest.mark.parametrize(
    "target",
    [
        "/nothing", "/.env", "/.git/config", "/%2eenv", "/%2Eenv", "/.%65nv", "/config.php.bak", "/old.php~", "/page.phtml", "/lib.inc", "/app.phar",
        "/shell.PHP", "/style.php.css", "/backup.sql.old", "/css%2fapp.css", "/css%2Fapp.css", "/css%5capp.css", "/css/app.css/", "/css/app.css/x",
        "/%c0%ae%c0%ae/css/app.css", "/css%c0%afapp.css", "/css", "/css/", "/upload/", "/upload/x.jpg/y.php", "/upload/x.jpg%2fy.php", "/missing.php",
        "/index.php%2f", "/" + "a" * 300, "/.git/x.php", "/wp-admin/../options.php", "/wp-admin/%2e%2e/wp-login.php", "/css/../css/app.css",
        "/wp-login.php/../x", "/index.php/%2E./.env", "/wp-admin/..",
    ],
)  # fmt: skip
def test_what_is_no_file_to_be_given_away_goes_to_the_front_controller(target: str) -> None:
    assert ask(target) == FRONT


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("/", script("/index.php")),
        ("/index.php", script("/index.php")),
        ("/wp-login.php?x=1", script("/wp-login.php")),
        ("/wp-admin/options.php", script("/wp-admin/options.php")),
        ("/wp-admin/", script("/wp-admin/index.php")),
        ("/both/", script("/both/index.php")),
        ("/index.php/some/page", script("/index.php", "/some/page")),
        ("/index.php/", script("/index.php", "/")),
        ("/index.php/A%2FB", script("/index.php", "/A/B")),
        ("/index.php/.hidden/x.php", script("/index.php", "/.hidden/x.php")),
        ("/wp-login.php/x.php", script("/wp-login.php", "/x.php")),
        ("/nested.php/real.php/x", script("/nested.php/real.php", "/x")),
    ],
)
def test_a_script_is_found_with_its_path_info(target: str, wanted: Script) -> None:
    assert ask(target) == wanted


@pytest.mark.parametrize("target", ["/wp-login.php", "/wp-admin/", "/wp-admin", "/index.php/x", "/"])
def test_without_scripts_only_the_front_controller_runs(target: str) -> None:
    assert ask(target, scripts=False) == FRONT


@pytest.mark.parametrize(
    "target", ["/nothing", "/.env", "/index.php~", "/upload/", "/upload", "/css/../x", "/a/%2f", "/missing.php", "//"]
)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"PURGE"])
def test_without_a_front_controller_what_no_file_answers_does_not_exist(target: str, method: bytes) -> None:
    found = ask(
        target, method=method, front=b"", tree=lambda path: Kind.NOTHING if path == b"index.php" else tree(path)
    )
    assert found == Refuse(ServerAnswer.NOT_FOUND)


def test_without_a_front_controller_files_and_scripts_are_found() -> None:
    assert ask("/css/app.css", front=b"") == StaticFile(b"css/app.css")
    assert ask("/wp-login.php/x", front=b"") == script("/wp-login.php", "/x")
    assert ask("/", front=b"") == script("/index.php")


def test_without_scripts_files_are_still_files() -> None:
    assert ask("/css/app.css", scripts=False) == StaticFile(b"css/app.css")
    assert ask("/docs/", scripts=False) == StaticFile(b"docs/index.html")


@pytest.mark.parametrize(
    ("target", "method", "wanted"),
    [
        ("/wp-admin", b"GET", Redirect(301, b"/wp-admin/")),
        ("/wp-admin?a=b", b"HEAD", Redirect(301, b"/wp-admin/?a=b")),
        ("/docs", b"POST", Redirect(308, b"/docs/")),
        ("//docs", b"GET", Redirect(301, b"/docs/")),
        ("/%64ocs", b"GET", Redirect(301, b"/docs/")),
    ],
)
def test_a_directory_with_an_index_gets_its_slash_on_this_host(target: str, method: bytes, wanted: Redirect) -> None:
    assert ask(target, method=method) == wanted


def test_a_file_is_read_and_nothing_else() -> None:
    found = ask("/css/app.css", method=b"POST")
    assert isinstance(found, Refuse)
    assert (found.answer.status, found.allow) == (405, b"GET, HEAD")


def test_a_path_of_many_scripts_costs_no_more_looks_than_there_are_directories() -> None:
    looks: list[bytes] = []

    def counting(path: bytes) -> Kind:
        looks.append(path)
        return tree(path)

    assert ask("/nested.php" + "/x.php" * 1000, tree=counting) == FRONT
    assert len(looks) <= 3


def test_options_of_the_server() -> None:
    assert ask("*", method=b"OPTIONS") == ServerOptions()
