"""What passes from one request to the next in worker mode, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from template_harness import serving

from askr_php.kernel import KernelName

FORM = [(b"Content-Type", b"application/x-www-form-urlencoded")]
LOOP = "askr_cow_ready(); while (askr_handle_request(function () { %s })) {}"


def write(root: Path, name: str, code: str) -> None:
    (root / name).write_text("<?php " + code, encoding="utf-8")


def answers(root: Path, php: KernelName, code: str, queries: list[str], boot: str = "") -> list[bytes]:
    """Serve one request per query by one worker and return the bodies."""
    write(root, "w.php", boot + LOOP % code)
    with serving(root, kernel=php, script="w.php") as served:
        return [served.get("w.php", query).body for query in queries]


@pytest.mark.parametrize("name", ["_SERVER", "_REQUEST", "_GET", "_ENV"])
def test_a_superglobal_that_a_request_unset_is_there_in_the_next(tmp_path: Path, php: KernelName, name: str) -> None:
    code = f"echo gettype(${name} ?? null); unset($GLOBALS['{name}']);"
    assert answers(tmp_path, php, code, ["a=1"] * 3) == [b"array"] * 3


def test_an_error_handler_is_not_asked_about_php_reading_the_request(tmp_path: Path, php: KernelName) -> None:
    write(
        tmp_path,
        "w.php",
        "set_error_handler(function ($n, $text) { throw new ErrorException($text); });"
        + LOOP % "echo count($_POST), ' ', error_get_last() !== null ? 'told' : '';",
    )
    with serving(tmp_path, kernel=php, script="w.php", ini="post_max_size=10") as served:
        answer = served.get("w.php", method="POST", body=b"a=" + b"x" * 100, headers=FORM)
        assert (answer.head.status, answer.body) == (200, b"0 told")
        answer = served.get("w.php", method="POST", body=b"--", headers=[(b"Content-Type", b"multipart/form-data")])
        assert (answer.head.status, answer.body) == (200, b"0 told")


def test_a_worker_whose_last_request_had_a_body_leaves_in_order(tmp_path: Path, php: KernelName) -> None:
    write(
        tmp_path,
        "w.php",
        LOOP % "echo strlen(implode($_POST));"
        + " $a = []; for ($i = 0; $i < 99; $i++) $a[] = str_repeat('z', 33); echo count($a);",
    )
    with serving(tmp_path, kernel=php, script="w.php") as served:
        for index in range(3):
            assert served.get("w.php", method="POST", body=b"a=123", headers=FORM).body == b"3"
            assert served.end_worker(index) == 0
            served.fork(index + 1)


def test_a_time_limit_does_not_outlive_its_request(tmp_path: Path, php: KernelName) -> None:
    code = "echo ini_get('max_execution_time'); set_time_limit((int) $_GET['s']);"
    assert answers(tmp_path, php, code, ["s=0", "s=5", "s=9"], boot="set_time_limit(77);") == [b"77"] * 3


def test_a_session_handler_of_boot_serves_every_request_and_one_of_a_request_only_that(
    tmp_path: Path, php: KernelName
) -> None:
    handler = (
        "class H extends SessionHandler { public function __construct(private string $n) {} "
        "public function read($i): string|false { return 'by|s:'.strlen($this->n).':\"'.$this->n.'\";'; } } "
    )
    code = (
        "if (isset($_GET['own'])) session_set_save_handler(new H('own'), false); "
        "session_save_path(__DIR__); session_start(); echo $_SESSION['by'] ?? 'files';"
    )
    queries = ["", "own=1", "", ""]
    assert answers(tmp_path, php, code, queries, boot=handler) == [b"files", b"own", b"files", b"files"]
    boot = handler + "session_set_save_handler(new H('boot'), false); "
    assert answers(tmp_path, php, code, queries, boot=boot) == [b"boot", b"own", b"boot", b"boot"]


@pytest.mark.parametrize(
    ("leave", "look", "expected"),
    [
        ("strtok('a b c', ' ');", "echo json_encode(strtok(' '));", b"false"),
        ("register_tick_function(function () { echo 'tick'; });", "declare(ticks=1) { $x = 1; } echo 'x';", b"x"),
        ("output_add_rewrite_var('t', '1');", "ob_start(); output_add_rewrite_var('u', '2'); echo '<a href=\"b\">';", b'<a href="b?u=2">'),
    ],
)  # fmt: skip
def test_what_php_keeps_by_request_is_gone_in_the_next(
    tmp_path: Path, php: KernelName, leave: str, look: str, expected: bytes
) -> None:
    ini = "" if "rewrite" not in leave else "ini_set('url_rewriter.tags', 'a=href');"
    code = f"if (isset($_GET['leave'])) {{ {leave} }} else {{ {look} }}"
    assert answers(tmp_path, php, code, ["leave=1", "", ""], boot=ini)[1:] == [expected] * 2


def test_errors_of_libxml_do_not_pile_up(tmp_path: Path, php: KernelName) -> None:
    code = (
        "if (!function_exists('simplexml_load_string')) { echo 1; return; } "
        "libxml_use_internal_errors(true); simplexml_load_string('<a>'); echo count(libxml_get_errors()) < 4;"
    )
    assert answers(tmp_path, php, code, [""] * 4) == [b"1"] * 4


def test_an_upload_is_gone_after_its_request(tmp_path: Path, php: KernelName) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\ncontent\r\n--b--\r\n'
    write(
        tmp_path, "w.php", LOOP % "echo $_FILES['f']['tmp_name']; if (isset($_GET['die'])) throw new Exception('no');"
    )
    with serving(tmp_path, kernel=php, script="w.php", ini=f"upload_tmp_dir={tmp_path}") as served:
        for query in ("", "die=1"):
            served.get(
                "w.php",
                query,
                method="POST",
                body=part,
                headers=[(b"Content-Type", b"multipart/form-data; boundary=b")],
            )
    assert not list(tmp_path.glob("php*"))
