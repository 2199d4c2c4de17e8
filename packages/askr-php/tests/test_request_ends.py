"""How a request ends when the application makes it hard: what it throws, leaves open, or does after its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from template_harness import Served, serving

from askr_php.kernel import KernelName

DISPATCH = "askr_cow_ready(); while (askr_handle_request(function () { include $_SERVER['SCRIPT_FILENAME']; })) {}"


def write(root: Path, name: str, code: str) -> None:
    (root / name).write_text("<?php " + code, encoding="utf-8")


@pytest.fixture(params=["per-request", "worker"])
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def served(tmp_path: Path, php: KernelName, mode: str) -> Iterator[Served]:
    """One worker that runs the script which a request names, in either mode."""
    write(tmp_path, "w.php", DISPATCH)
    write(tmp_path, "pid.php", "echo getmypid();")
    with serving(tmp_path, kernel=php, script="w.php" if mode == "worker" else None) as running:
        yield running


def is_same_worker(served: Served) -> bool:
    return served.get("pid.php").body == str(served.workers[0]).encode()


def let_it_be_replaced(served: Served, code: int) -> None:
    """Wait for the end of worker 0 with `code`, and fork the next."""
    _, status = os.waitpid(served.workers.pop(0), 0)
    assert os.waitstatus_to_exitcode(status) == code
    served.pool.repair_worker(0)
    served.pool.clear(0)
    served.fork(0)


@pytest.mark.parametrize("output", ["ob_start(); echo 'x';", "", "echo str_repeat('x', 300000);"])
def test_a_client_that_left_does_not_cost_the_worker(served: Served, tmp_path: Path, output: str) -> None:
    wait = "touch(__DIR__.'/runs'); while (!file_exists(__DIR__.'/gate')) { usleep(1000); clearstatcache(); }"
    write(tmp_path, "a.php", wait + output)
    xid = served.submit("a.php")
    while not (tmp_path / "runs").exists():
        os.sched_yield()
    assert not served.port.cancel(xid)
    (tmp_path / "gate").touch()
    served.collect(xid)
    assert is_same_worker(served)


@pytest.mark.parametrize(
    "ending",
    [
        "register_shutdown_function(function () { exit(3); });",
        "register_shutdown_function(function () { throw new Exception('in a shutdown function'); });",
        "ob_start(function ($s) { exit(3); });",
        "ob_start(function ($s) { throw new Exception('in an output callback'); });",
        "header_register_callback(function () { throw new Exception('in a header callback'); });",
        "$_SESSION = [new class { function __destruct() { throw new Exception('in a destructor'); } }];",
        "$_GET['o'] = new class { function __destruct() { throw new Exception('in a destructor'); } };",
    ],
)
def test_what_is_thrown_at_the_end_of_a_request_stays_in_it(served: Served, tmp_path: Path, ending: str) -> None:
    write(tmp_path, "a.php", ending + " echo 'hello';")
    for _ in range(2):
        assert not served.get("a.php").is_failed
    assert is_same_worker(served)


def test_a_session_is_written_when_an_output_callback_throws(served: Served, tmp_path: Path) -> None:
    start = "session_save_path(__DIR__); session_id('abc'); session_start();"
    write(tmp_path, "a.php", start + "$_SESSION['n'] = 7; ob_start(function ($s) { throw new Exception('no'); });")
    write(tmp_path, "b.php", start + "echo $_SESSION['n'] ?? 'lost';")
    served.get("a.php")
    assert served.get("b.php").body == b"7"


def test_a_session_handler_that_throws_costs_one_request(served: Served, tmp_path: Path) -> None:
    handler = (
        "class H extends SessionHandler { function write($i, $d): bool { throw new Exception('no disk'); } } "
        "if (isset($_GET['own'])) session_set_save_handler(new H, false); "
        "session_save_path(__DIR__); session_start(); $_SESSION['n'] = 1; echo session_status();"
    )
    (tmp_path / "h.php").write_text("<?php " + handler.split(" if ", 1)[0], encoding="utf-8")
    write(tmp_path, "a.php", "include_once __DIR__.'/h.php'; if " + handler.split(" if ", 1)[1])
    for query in ("own=1", "", "own=1", ""):
        answer = served.get("a.php", query)
        assert (answer.body, answer.is_failed) == (b"2", False)
    assert is_same_worker(served)


def test_a_fatal_error_in_a_shutdown_function_gives_the_worker_up(served: Served, tmp_path: Path, mode: str) -> None:
    fill = "ini_set('memory_limit', '8M'); $a = []; while (true) { $a[] = str_repeat('x', 1 << 18); }"
    write(tmp_path, "a.php", f"register_shutdown_function(function () {{ {fill} }}); echo 'hello';")
    answer = served.get("a.php")
    assert not answer.is_failed
    assert answer.body == b"hello"
    if mode == "worker":
        let_it_be_replaced(served, 75)
    assert is_same_worker(served)


def test_a_time_limit_ends_a_request_that_spins(served: Served, tmp_path: Path, mode: str) -> None:
    write(tmp_path, "a.php", "set_time_limit(1); while (true) { $x = hash('sha1', 'x'); }")
    answer = served.get("a.php")
    assert (answer.head.status, answer.is_failed) == (500, False)
    if mode == "worker":
        let_it_be_replaced(served, 75)
    assert is_same_worker(served)


def test_a_session_of_deferred_work_ends_with_it(served: Served, tmp_path: Path) -> None:
    start = "session_cache_limiter(''); ini_set('session.use_cookies', 0); session_save_path(__DIR__); "
    open_it = "session_id('abc'); session_start(); "
    write(tmp_path, "a.php", start + f"askr_defer(function () {{ {open_it} $_SESSION['who'] = 'ann'; }});")
    write(tmp_path, "b.php", "echo session_status(), session_id(), json_encode($_SESSION ?? null);")
    write(tmp_path, "c.php", start + open_it + "echo $_SESSION['who'];")
    served.get("a.php")
    assert served.get("b.php").body == b"1null"
    assert served.get("c.php").body == b"ann"


def test_shutdown_functions_of_deferred_work_run_in_their_own_request(served: Served, tmp_path: Path) -> None:
    note = "function () { file_put_contents(__DIR__.'/log', 'shutdown '.$_GET['n'], FILE_APPEND); }"
    write(tmp_path, "a.php", f"askr_defer(function () {{ register_shutdown_function({note}); }});")
    served.get("a.php", "n=1")
    served.get("pid.php", "n=2")
    assert (tmp_path / "log").read_text() == "shutdown 1"


def test_shutdown_functions_may_defer(served: Served, tmp_path: Path) -> None:
    note = "function () { file_put_contents(__DIR__.'/log', 'deferred '.$_GET['n'], FILE_APPEND); }"
    write(tmp_path, "a.php", f"register_shutdown_function(function () {{ askr_defer({note}); }});")
    served.get("a.php", "n=1")
    served.get("pid.php", "n=2")
    assert (tmp_path / "log").read_text() == "deferred 1"


def test_destructors_at_the_very_end_cannot_defer(served: Served, tmp_path: Path, mode: str) -> None:
    write(
        tmp_path,
        "a.php",
        "class D { function __destruct() { file_put_contents(__DIR__.'/log', var_export(askr_defer(function () { "
        "file_put_contents(__DIR__.'/ran', 'x'); }), true)); } } $GLOBALS['d'] = new D;",
    )
    served.get("a.php")
    assert is_same_worker(served)
    if mode == "per-request":
        assert (tmp_path / "log").read_text() == "false"
        assert not (tmp_path / "ran").exists()


def test_a_head_that_is_too_large_is_a_500(served: Served, tmp_path: Path) -> None:
    write(tmp_path, "a.php", "header('X-Big: '.str_repeat('x', 400000)); echo 'body';")
    answer = served.get("a.php")
    assert (answer.head.status, answer.body, answer.is_failed) == (500, b"", False)
    assert is_same_worker(served)


def test_a_forked_child_serves_nobody(served: Served, tmp_path: Path) -> None:
    write(tmp_path, "has.php", "echo (int) function_exists('pcntl_fork');")
    if served.get("has.php").body != b"1":
        pytest.skip("this PHP has no pcntl: nothing in it forks a PHP process")
    write(
        tmp_path,
        "a.php",
        "$pid = pcntl_fork(); if (!$pid) { if ($_GET['how'] === 'exit') exit(7); "
        "if ($_GET['how'] === 'throw') throw new Exception('thrown in a child'); return; } "
        "pcntl_waitpid($pid, $s); echo pcntl_wifexited($s), pcntl_wexitstatus($s);",
    )
    assert served.get("a.php", "how=exit").body == b"17"
    assert served.get("a.php", "how=return").body == b"10"
    assert served.get("a.php", "how=throw").body == b"1255"
    assert is_same_worker(served)


def test_a_forked_child_takes_no_upload_with_it(served: Served, tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.php",
        "if (!function_exists('pcntl_fork')) exit('there'); if (!($pid = pcntl_fork())) exit(0); pcntl_waitpid($pid, $s); "
        "echo is_uploaded_file($_FILES['f']['tmp_name']) && is_file($_FILES['f']['tmp_name']) ? 'there' : 'gone';",
    )
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\ncontent\r\n--b--\r\n'
    multipart = [(b"Content-Type", b"multipart/form-data; boundary=b")]
    assert served.get("a.php", method="POST", body=part, headers=multipart).body == b"there"


def test_a_worker_leaves_on_sigterm_when_its_request_is_done(served: Served, tmp_path: Path) -> None:
    for _ in range(3):
        served.get("pid.php")
    write(
        tmp_path,
        "a.php",
        "touch(__DIR__.'/runs'); while (!file_exists(__DIR__.'/gate')) { usleep(1000); clearstatcache(); } echo 'done';",
    )
    xid = served.submit("a.php")
    while not (tmp_path / "runs").exists():
        os.sched_yield()
    os.kill(served.workers[0], signal.SIGTERM)
    (tmp_path / "gate").touch()
    assert served.collect(xid).body == b"done"
    let_it_be_replaced(served, 0)
