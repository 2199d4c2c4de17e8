"""What the workers do not do anew for each request, and that no script can tell."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from template_harness import Served, serving

from askr_php.kernel import KernelName

DISPATCH = "askr_cow_ready(); while (askr_handle_request(function () { include $_SERVER['SCRIPT_FILENAME']; })) {}"
LONG_AGO = 1_700_000_000  # OPcache leaves files alone that changed within the last two seconds
SAVE_HANDLER = """
session_set_save_handler(new class extends SessionHandler {
    function write($i, $d): bool { file_put_contents(__DIR__ . '/cwd', getcwd()); return true; }
});
session_save_path(__DIR__);
session_start();
"""
BURN = """
function used() { $r = getrusage(); return $r['ru_utime.tv_sec'] + $r['ru_stime.tv_sec'] + ($r['ru_utime.tv_usec'] + $r['ru_stime.tv_usec']) / 1e6; }
function burn($s) { for ($t = used(); used() < $t + $s;) { for ($i = 0; $i < 10000; $i++); } }
"""


def write(root: Path, name: str, code: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<?php " + code, encoding="utf-8")
    os.utime(path, (LONG_AGO, LONG_AGO))


def script_for(root: Path, mode: str, boot: str = "") -> str | None:
    write(root, "w.php", boot + DISPATCH)
    return "w.php" if mode == "worker" else None


@pytest.fixture(params=["per-request", "worker"])
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def served(tmp_path: Path, php: KernelName, mode: str) -> Iterator[Served]:
    """One worker that runs the script which a request names, in either mode."""
    with serving(tmp_path, kernel=php, script=script_for(tmp_path, mode)) as running:
        yield running


@pytest.fixture
def fresh(tmp_path: Path, php: KernelName) -> Iterator[Served]:
    """One worker in per-request mode."""
    with serving(tmp_path, kernel=php) as running:
        yield running


# ---- the working directory ----


def test_a_script_runs_in_its_own_directory_whatever_ran_before(fresh: Served, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path, f"{folder}/a.php", "echo getcwd(); if ($_GET['to'] ?? '') { chdir($_GET['to']); }")
    for _ in range(3):
        for folder in ("one", "two", "one"):
            here = str(tmp_path / folder).encode()
            for query in ("", "to=/", "to=..", ""):
                assert fresh.get(f"{folder}/a.php", query).body == here


@pytest.mark.parametrize(
    "late",
    [
        "register_shutdown_function(fn () => print(getcwd()));",
        "function late() { echo getcwd(); } register_shutdown_function('late');",
        "function late($text) { return getcwd(); } ob_start('late');",
        "function late() { header('X-Cwd: ' . getcwd()); } header_register_callback('late');",
        "$o = new class { function __destruct() { echo getcwd(); } };",
        "ob_start(fn ($text) => getcwd());",
        "header_register_callback(fn () => header('X-Cwd: ' . getcwd()));",
        "askr_defer(fn () => file_put_contents(__DIR__ . '/cwd', getcwd()));",
        SAVE_HANDLER,
    ],
)
def test_what_runs_after_the_script_runs_in_the_servers_directory(
    fresh: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    write(tmp_path, "a.php", late)
    write(tmp_path, "b.php", "echo getcwd();")
    for _ in range(2):
        answer = fresh.get("a.php")
        seen = answer.body or b"".join(answer.header("X-Cwd"))
        while not seen:  # written when the client has its answer
            seen = (tmp_path / "cwd").read_bytes() if (tmp_path / "cwd").exists() else b""
        assert seen == os.fsencode(Path.cwd())
        (tmp_path / "cwd").unlink(missing_ok=True)
        assert fresh.get("b.php").body == str(tmp_path).encode()


def test_a_folder_that_a_link_points_to_is_looked_up_again(fresh: Served, tmp_path: Path) -> None:
    for release in ("release1", "release2"):
        write(tmp_path, f"{release}/a.php", "echo basename(getcwd());")
    (tmp_path / "current").symlink_to("release1")
    assert fresh.get("current/a.php").body == b"release1"
    (tmp_path / "next").symlink_to("release2")
    (tmp_path / "next").rename(tmp_path / "current")
    while (body := fresh.get("current/a.php").body) != b"release2":
        assert body == b"release1"


def test_a_folder_that_was_put_in_the_place_of_another_is_found(fresh: Served, tmp_path: Path) -> None:
    for release in ("application", "new"):
        write(tmp_path, f"{release}/a.php", "echo (string) @file_get_contents('which');")
        (tmp_path / release / "which").write_text(release)
    assert fresh.get("application/a.php").body == b"application"
    (tmp_path / "application").rename(tmp_path / "old")
    (tmp_path / "new").rename(tmp_path / "application")
    while (body := fresh.get("application/a.php").body) != b"new":
        assert body == b"application"


def test_a_script_that_is_gone_is_not_found_and_one_that_is_closed_is_forbidden(fresh: Served, tmp_path: Path) -> None:
    write(tmp_path, "a.php", "echo 'hello';")
    write(tmp_path, "b.php", "echo 'hello';")
    assert fresh.get("a.php").body == b"hello"
    (tmp_path / "a.php").unlink()
    while (gone := fresh.get("a.php")).head.status == 200:
        assert gone.body == b"hello"
    assert (gone.head.status, gone.body) == (404, b"File not found.\n")
    assert fresh.get("b.php").body == b"hello"
    if os.geteuid() == 0:  # root may read it all the same
        return
    (tmp_path / "b.php").chmod(0)
    while (closed := fresh.get("b.php")).head.status == 200:
        assert closed.body == b"hello"
    assert (closed.head.status, closed.body) == (403, b"Access denied.\n")


# ---- $_SERVER ----


def seen_in(served: Served, script: str, query: str = "", **more: Any) -> Any:
    return json.loads(served.get(script, query, **more).body)


def test_server_variables_are_the_environment_then_the_request(
    tmp_path: Path, php: KernelName, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKR_TEST_A", "from outside")
    monkeypatch.setenv("ASKR_TEST_EMPTY", "")
    monkeypatch.setenv("SERVER_SOFTWARE", "not this")
    monkeypatch.setenv("REQUEST_METHOD", "nor this")
    write(tmp_path, "a.php", "$f = function () { return $_SERVER; }; echo json_encode($f());")
    fields = [(b"X-Odd-One", b"1"), (b"Accept", b"a"), (b"accept", b"b"), (b"X_Odd_One", b"2"), (b"X-L\xe4nge", b"3")]
    with serving(tmp_path, kernel=php, script=script_for(tmp_path, mode)) as served:
        for query in ("", "n=1"):
            vars_ = seen_in(served, "a.php", query, headers=fields)
            assert vars_["ASKR_TEST_A"] == "from outside"
            assert vars_["ASKR_TEST_EMPTY"] == ""
            assert vars_["SERVER_SOFTWARE"] == "askr"
            assert vars_["REQUEST_METHOD"] == "GET"
            assert (vars_["HTTP_X_ODD_ONE"], vars_["HTTP_ACCEPT"]) == ("1", "b")
            assert vars_["QUERY_STRING"] == query
            assert vars_["PHP_SELF"] == vars_["SCRIPT_NAME"] == "/a.php"
            assert not [name for name in vars_ if name.startswith("HTTP_") and not name.isascii()]


def test_what_a_request_does_to_server_variables_stays_in_it(served: Served, tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.php",
        "echo json_encode([$_SERVER['SERVER_SOFTWARE'], $_SERVER['PATH'] ?? '', isset($_SERVER['mine'])]);"
        "$_SERVER['SERVER_SOFTWARE'] .= '!'; $_SERVER['mine'] = 1; $_SERVER['PATH'] = []; unset($_SERVER['REDIRECT_STATUS']);"
        "foreach ($_SERVER as &$v) { if (is_string($v)) { $v .= '!'; } }",
    )
    first = seen_in(served, "a.php")
    assert first == ["askr", os.environ["PATH"], False]
    assert seen_in(served, "a.php") == first


def test_a_shutdown_function_may_be_the_first_that_names_server_variables(served: Served, tmp_path: Path) -> None:
    write(tmp_path, "late.php", "echo $_SERVER['QUERY_STRING'];")
    write(tmp_path, "a.php", "register_shutdown_function(function () { include __DIR__ . '/late.php'; });")
    assert [served.get("a.php", query).body for query in ("n=1", "n=2")] == [b"n=1", b"n=2"]


def test_putenv_is_seen_in_server_variables_as_long_as_it_lasts(served: Served, tmp_path: Path, mode: str) -> None:
    write(tmp_path, "show.php", "echo json_encode([$_SERVER['ASKR_TEST_B'] ?? null, getenv('ASKR_TEST_B')]);")
    write(
        tmp_path,
        "a.php",
        "foreach (explode(',', $_GET['to']) as $to) { putenv('ASKR_TEST_B' . $to); } include __DIR__ . '/show.php';",
    )
    lasting = mode == "worker"
    for text in ("1", "2", "=3,=4", "=5,=6", "44"):
        seen = seen_in(served, "a.php", "to=" + text if "," in text else f"to=={text}")
        value = text.rpartition("=")[2]
        assert seen[1] == value
        if not lasting:  # $_SERVER was made when show.php was compiled, after putenv()
            assert seen[0] == value
        for _ in range(3):
            assert seen_in(served, "show.php") == ([value, value] if lasting else [None, False])
    seen_in(served, "a.php", "to=")
    assert seen_in(served, "show.php") == [None, False]
    assert seen_in(served, "show.php") == [None, False]


def test_an_application_may_keep_and_change_what_was_in_server_variables(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "put.php", "putenv('ASKR_TEST_B=' . $_GET['to']);")
    write(tmp_path, "keep.php", "global $kept; foreach ($_SERVER as $k => $v) { $kept[] = $k; $kept[] = $v; }")
    write(tmp_path, "show.php", "echo $_SERVER['ASKR_TEST_B'];")
    write(
        tmp_path,
        "change.php",
        "global $kept; foreach ($kept as &$v) { $v .= str_repeat('x', 500); } unset($v); echo count($kept); $kept = [];",
    )
    with serving(tmp_path, kernel=php, script=script_for(tmp_path, "worker")) as served:
        for text in (b"1" * 40, b"2" * 40):  # each stays as it is for long enough to be remembered
            served.get("put.php", "to=" + text.decode())
            assert [served.get("show.php").body for _ in range(3)] == [text] * 3
            if text[:1] == b"1":
                served.get("keep.php")
        assert int(served.get("change.php").body) > 40
        assert served.get("show.php").body == b"2" * 40


def test_an_environment_that_is_always_another_is_right_all_the_same(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "put.php", "putenv('ASKR_TEST_B=' . str_repeat($_GET['to'], 40000));")
    write(tmp_path, "show.php", "echo $_SERVER['ASKR_TEST_B'][0], strlen($_SERVER['ASKR_TEST_B']);")
    with serving(tmp_path, kernel=php, script=script_for(tmp_path, "worker")) as served:
        for letter in "abcdefghij":
            served.get("put.php", f"to={letter}")
            assert [served.get("show.php").body for _ in range(3)] == [b"%c40000" % ord(letter)] * 3


def test_what_boot_puts_into_the_environment_is_in_server_variables(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "a.php", "echo json_encode([$_SERVER['ASKR_TEST_C'], $_SERVER['QUERY_STRING']]);")
    script = script_for(tmp_path, "worker", "putenv('ASKR_TEST_C=booted');")
    with serving(tmp_path, kernel=php, script=script) as served:
        for query in ("a", "b", "c"):
            assert seen_in(served, "a.php", query) == ["booted", query]


def test_filter_functions_know_the_servers_variables(served: Served, tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.php",
        "$_SERVER['QUERY_STRING'] = 'mine'; unset($_SERVER['HTTP_HOST']);"
        "echo json_encode([filter_has_var(INPUT_SERVER, 'HTTP_X_A'), filter_input(INPUT_SERVER, 'QUERY_STRING'),"
        "filter_input_array(INPUT_SERVER, ['HTTP_X_A' => FILTER_VALIDATE_INT, 'REQUEST_METHOD' => FILTER_DEFAULT]),"
        "filter_input(INPUT_GET, 'n', FILTER_VALIDATE_INT), $_SERVER['QUERY_STRING'], isset($_SERVER['HTTP_HOST']),"
        "filter_input(INPUT_SERVER, 'HTTP_HOST')]);",
    )
    for n in (1, 2):
        fields = [(b"X-A", str(n).encode()), (b"Host", b"h.test")]
        assert seen_in(served, "a.php", f"n={n}", headers=fields) == [
            True,
            f"n={n}",
            {"HTTP_X_A": n, "REQUEST_METHOD": "GET"},
            n,
            "mine",
            False,
            "h.test",
        ]


def test_a_filter_that_changes_values_changes_server_variables(tmp_path: Path, php: KernelName, mode: str) -> None:
    write(
        tmp_path,
        "a.php",
        "echo json_encode([$_SERVER['HTTP_X_A'], filter_input(INPUT_SERVER, 'HTTP_X_A', FILTER_UNSAFE_RAW)]);",
    )
    script = script_for(tmp_path, mode)
    with serving(tmp_path, kernel=php, script=script, ini="filter.default=special_chars") as served:
        for _ in range(2):
            assert seen_in(served, "a.php", headers=[(b"X-A", b"<a>")]) == ["&#60;a&#62;", "<a>"]


# ---- the time limit ----


def let_it_be_replaced(served: Served, mode: str) -> None:
    """Worker mode: wait for the end of worker 0 and fork the next."""
    if mode == "per-request":
        return
    _, status = os.waitpid(served.workers.pop(0), 0)
    assert os.waitstatus_to_exitcode(status) == 75
    served.pool.repair_worker(0)
    served.pool.clear(0)
    served.fork(0)


def test_a_time_limit_is_for_each_request_alone(tmp_path: Path, php: KernelName, mode: str) -> None:
    write(tmp_path, "lib.php", BURN)
    write(tmp_path, "burn.php", "include_once __DIR__ . '/lib.php'; burn((float) $_GET['s']); echo 'done';")
    write(tmp_path, "more.php", "set_time_limit(100); echo 'done';")
    write(tmp_path, "none.php", "set_time_limit(0); echo 'done';")
    write(tmp_path, "spin.php", "echo 'begun'; while (true) { $x = hash('sha1', 'x'); }")
    write(
        tmp_path,
        "late.php",
        "register_shutdown_function(function () { while (true) { $x = hash('sha1', 'x'); } }); echo 'begun';",
    )
    with serving(tmp_path, kernel=php, script=script_for(tmp_path, mode), ini="max_execution_time=1") as served:
        for _ in range(2):  # together more than the limit
            assert served.get("burn.php", "s=0.6").body == b"done"
        assert served.get("more.php").body == b"done"
        assert served.get("none.php").body == b"done"
        for script in ("spin.php", "late.php"):
            assert served.get("burn.php", "s=0.3").body == b"done"
            answer = served.get(script)
            assert (answer.is_failed, answer.body) == (False, b"begun")
            let_it_be_replaced(served, mode)


def test_a_script_moves_its_own_time_limit(tmp_path: Path, php: KernelName, mode: str) -> None:
    write(tmp_path, "hello.php", "echo 'hello';")
    spin = "echo 'begun'; while (true) { $x = hash('sha1', 'x'); }"
    write(tmp_path, "less.php", "set_time_limit(1); " + spin)
    write(tmp_path, "again.php", f"{BURN} set_time_limit(1); burn(0.7); set_time_limit(1); burn(0.7); echo 'done';")
    with serving(tmp_path, kernel=php, script=script_for(tmp_path, mode), ini="max_execution_time=60") as served:
        for script, body in (("hello.php", b"hello"), ("again.php", b"done"), ("less.php", b"begun")):
            answer = served.get(script)
            assert (answer.is_failed, answer.body) == (False, body)
        let_it_be_replaced(served, mode)
        assert served.get("hello.php").body == b"hello"


def test_a_child_that_a_script_forks_has_the_time_limit_that_it_sets(tmp_path: Path, php: KernelName) -> None:
    spin = "while (true) { $x = hash('sha1', 'x'); }"
    write(
        tmp_path,
        "fork.php",
        f"{BURN} if (!function_exists('pcntl_fork')) {{ die('255'); }} $child = pcntl_fork();"
        f"if ($child === 0) {{ set_time_limit(2); {spin} }} pcntl_waitpid($child, $status); echo pcntl_wexitstatus($status);",
    )
    with serving(tmp_path, kernel=php, ini="max_execution_time=1") as served:
        assert served.get("fork.php").body == b"255"


def test_a_script_that_takes_the_timers_signal_gets_it_when_its_time_is_over(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "burn.php", f"{BURN} burn(0.7); echo 'done';")
    write(
        tmp_path,
        "take.php",
        f"{BURN} if (!function_exists('pcntl_signal')) {{ die('1'); }} pcntl_async_signals(true); $at = null;"
        "pcntl_signal(SIGPROF, function () use (&$at) { $at = used(); });"
        "for ($begun = used(); $at === null;) { burn(0.01); } echo $at - $begun;",
    )
    with serving(tmp_path, kernel=php, ini="max_execution_time=1") as served:
        assert served.get("burn.php").body == b"done"
        assert float(served.get("take.php").body) > 0.8  # and not what burn.php had left over


def test_a_script_that_takes_the_timers_signal_has_it_for_one_request(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "take.php", "if (function_exists('pcntl_signal')) { pcntl_signal(SIGPROF, SIG_IGN); } echo 'done';")
    write(tmp_path, "spin.php", "echo 'begun'; while (true) { $x = hash('sha1', 'x'); }")
    with serving(tmp_path, kernel=php, ini="max_execution_time=1") as served:
        assert served.get("take.php").body == b"done"
        assert served.get("spin.php").body == b"begun"
        assert served.get("take.php").body == b"done"


# ---- OPcache's lock ----


def locks_of(pid: int) -> list[str]:
    """Return the record locks that a process holds (proc_locks(5))."""
    return [line for line in Path("/proc/locks").read_text().splitlines() if f" {pid} " in line]


def restarts_of_opcache(tmp_path: Path) -> str:
    """Write a script that tells how often OPcache was restarted; it takes its time, so that requests queue up behind it."""
    write(
        tmp_path,
        "count.php",
        "usleep(2000); echo json_encode(function_exists('opcache_get_status') && ($s = opcache_get_status(false)) ? $s['opcache_statistics']['manual_restarts'] : null);",
    )
    return "count.php"


def test_a_worker_that_waits_holds_no_lock_of_opcache(fresh: Served, tmp_path: Path) -> None:
    write(tmp_path, "a.php", "echo 'hello';")
    for _ in range(3):
        assert fresh.get("a.php").body == b"hello"
        for _ in range(10000):  # it waits a moment after its answer is here
            if not locks_of(fresh.workers[0]):
                break
        else:
            pytest.fail("a worker that waits holds OPcache's lock")


def test_opcache_is_restarted_while_workers_have_no_pause(tmp_path: Path, php: KernelName) -> None:
    count = restarts_of_opcache(tmp_path)
    write(tmp_path, "reset.php", "var_dump(opcache_reset());")
    with serving(tmp_path, kernel=php, workers=2) as served:
        if seen_in(served, count) is None:
            pytest.skip("this PHP has no OPcache")
        waiting = [served.submit(count) for _ in range(24)]
        for restarts in (1, 2, 3):
            waiting.append(served.submit("reset.php"))
            for _ in range(300):
                waiting.append(served.submit(count))
                answer = served.collect(waiting.pop(0)).body
                if answer == str(restarts).encode():
                    break
            else:
                pytest.fail("OPcache was not restarted: busy workers keep its lock")
        for xid in waiting:
            served.collect(xid)


def test_opcache_is_restarted_beside_a_worker_that_is_idle(tmp_path: Path, php: KernelName) -> None:
    count = restarts_of_opcache(tmp_path)
    write(tmp_path, "reset.php", "var_dump(opcache_reset());")
    with serving(tmp_path, kernel=php, workers=2) as served:
        if seen_in(served, count) is None:
            pytest.skip("this PHP has no OPcache")
        for restarts in (1, 2, 3):
            assert b"true" in served.get("reset.php").body
            for _ in range(300):
                if seen_in(served, count) == restarts:
                    break
            else:
                pytest.fail("OPcache was not restarted")
