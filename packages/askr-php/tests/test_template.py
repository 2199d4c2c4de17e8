"""The life of a template and its workers, in both modes."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import pytest
from template_harness import READY, Served, serving

from askr_php.kernel import KernelName

LOOP = "while (askr_handle_request(function () { %s })) {}"


def write(root: Path, name: str, code: str) -> None:
    (root / name).write_text("<?php " + code, encoding="utf-8")


def test_a_script_runs_for_every_request_in_per_request_mode(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "a.php", "static $n = 0; $n++; echo $n, ' ', $_GET['x'];")
    with serving(tmp_path, kernel=php) as served:
        assert [served.get("a.php", f"x={i}").body for i in range(3)] == [b"1 0", b"1 1", b"1 2"]


def test_the_application_stays_booted_in_worker_mode(tmp_path: Path, php: KernelName) -> None:
    write(
        tmp_path,
        "w.php",
        "$n = 0; askr_cow_ready(); "
        "while (askr_handle_request(function () use (&$n) { echo ++$n, ' ', $_GET['x']; })) {}",
    )
    with serving(tmp_path, kernel=php, script="w.php") as served:
        assert [served.get("w.php", f"x={i}").body for i in range(3)] == [b"1 0", b"2 1", b"3 2"]


def test_the_application_is_booted_once_for_all_workers_when_it_says_where_to_fork(
    tmp_path: Path, php: KernelName
) -> None:
    write(
        tmp_path,
        "w.php",
        "file_put_contents(__DIR__.'/boots', 'x', FILE_APPEND); askr_cow_ready(); " + LOOP % "echo getmypid();",
    )
    with serving(tmp_path, kernel=php, script="w.php", workers=3) as served:
        assert served.get("w.php").body.isdigit()
    assert (tmp_path / "boots").read_text() == "x"


def test_a_script_without_a_fork_point_boots_in_every_worker(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "w.php", "file_put_contents(__DIR__.'/boots', 'x', FILE_APPEND); " + LOOP % "echo 'hi';")
    with serving(tmp_path, kernel=php, script="w.php", workers=2) as served:
        assert served.get("w.php").body == b"hi"
    assert (tmp_path / "boots").read_text() == "xxx"  # the template found out, then each worker


@pytest.mark.parametrize("code", ["syntax error", "throw new Exception('no');", "exit(3);", "echo 'no loop';"])
def test_a_worker_script_that_does_not_boot_ends_the_template(tmp_path: Path, php: KernelName, code: str) -> None:
    write(tmp_path, "w.php", code)
    with serving(tmp_path, kernel=php, script="w.php", workers=0) as served:
        assert served.receive() == (0, 0, 0)
        assert os.waitstatus_to_exitcode(os.waitpid(served.pid, 0)[1]) == 70


def test_workers_do_not_share_their_random_numbers(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "w.php", "mt_rand(); lcg_value(); askr_cow_ready(); " + LOOP % "echo mt_rand(), ' ', lcg_value();")
    with serving(tmp_path, kernel=php, script="w.php", workers=1) as served:
        first = served.get("w.php").body
        served.end_worker(0)
        served.fork(1)
        assert served.get("w.php").body != first


def test_a_worker_is_the_masters_child_and_dies_of_the_signal_that_killed_it(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "a.php", "posix_kill(posix_getpid(), 9);")
    with serving(tmp_path, kernel=php) as served:
        pid = served.workers[0]
        xid = served.submit("a.php")
        ended, status = os.waitpid(pid, 0)
        assert (ended, os.WTERMSIG(status)) == (pid, signal.SIGKILL)
        assert served.pool.repair_worker(0) == 1
        served.pool.clear(0)
        assert served.collect(xid).is_failed
        served.fork(0)
        write(served.root, "b.php", "echo 'alive';")
        assert served.get("b.php").body == b"alive"


def test_a_worker_leaves_after_its_quota_of_requests(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "w.php", "askr_cow_ready(); " + LOOP % "echo 'x';")
    with serving(tmp_path, kernel=php, script="w.php", max_requests=1) as served:
        served.get("w.php")
        _, status = os.waitpid(served.workers.pop(0), 0)
        assert os.waitstatus_to_exitcode(status) == 0
        served.pool.repair_worker(0)
        served.pool.clear(0)


def test_a_template_without_an_application_is_ready_at_once(tmp_path: Path, php: KernelName) -> None:
    with serving(tmp_path, kernel=php, workers=0) as served:
        assert served.receive()[0] == READY


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="t"\r\n\r\nhello\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n\r\n' + b"z" * 3000 + b"\r\n--b--\r\n"
)
KINDS = [  # method, query, body, media type: every way in which a request may leave memory behind
    ("GET", "do=page", b"", b""),
    ("POST", "do=input", b"a=1&b[]=2&c=" + b"z" * 300, b"application/x-www-form-urlencoded"),
    ("POST", "do=page", MULTIPART, b"multipart/form-data; boundary=b"),
    ("POST", "do=input", b'{"a": 1}', b"application/json"),
    ("GET", "do=session", b"", b""),
    ("GET", "do=exit", b"", b""),
    ("GET", "do=throw", b"", b""),
    ("GET", "do=defer", b"", b""),
    ("GET", "do=finish", b"", b""),
]
PAGE = """
$more = json_encode([$_GET, $_POST, $_FILES, $_COOKIE, $_SERVER['REQUEST_URI'], $_SERVER['PHP_AUTH_USER'], filter_input(INPUT_GET, 'do')]);
header('X-A: ' . $_SERVER['HTTP_X_SOME']); setcookie('a', 'b'); http_response_code(404); ob_start(); ob_start(fn ($s) => $s); echo $more;
register_shutdown_function(function () { echo 'z'; });
switch ($_GET['do']) {
    case 'input': $kept = fopen('php://input', 'rb'); echo fread($kept, 5), file_get_contents('php://input'); break;
    case 'session': session_save_path(__DIR__); session_id('abc'); session_start(['cache_limiter' => '']); $_SESSION['n'] = $_SESSION['n'] ?? 1; break;
    case 'exit': exit('bye');
    case 'throw': throw new RuntimeException('on purpose');
    case 'defer': askr_defer(function () { strlen('x'); }); break;
    case 'finish': fastcgi_finish_request(); echo 'more'; break;
}
"""


def soak(served: Served, script: str, rounds: int) -> int:
    """Serve `rounds` requests of each kind and return the worker's own memory in KiB."""
    for i in range(rounds):
        for method, query, body, media_type in KINDS:
            headers = [(b"Cookie", b"sid=%d; k=v" % i), (b"X-Some", b"y" * 100), (b"Authorization", b"Basic dTpw")]
            headers += [(b"Content-Type", media_type)] if media_type else []
            assert served.get(script, f"{query}&n={i}", method=method, body=body, headers=headers).head.status in {
                404,
                500,
            }
    smaps = Path(f"/proc/{served.workers[0]}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(line.split()[1]) for line in smaps.splitlines() if line.startswith("Private_Dirty:"))


@pytest.mark.parametrize("script", [None, "w.php"])
def test_memory_is_flat_over_thousands_of_requests_of_every_kind(
    tmp_path: Path, php: KernelName, script: str | None
) -> None:
    write(tmp_path, "a.php", PAGE)
    write(tmp_path, "w.php", "askr_cow_ready(); " + LOOP % PAGE)
    ini = "error_log=/dev/null"
    with serving(tmp_path, kernel=php, script=script, ini=ini) as served:
        held = [soak(served, script or "a.php", rounds) for rounds in (250, 350, 350)]
    growth = [later - earlier for earlier, later in itertools.pairwise(held)]
    # A leak grows in every stretch, a table that is enlarged once in one. 300 bytes a request of one kind would show.
    assert min(growth) <= 96, f"KiB held: {held}"
