"""What a script cannot reach or forge: descriptors, variables, PHP's own start."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from template_harness import serving

from askr_php.kernel import KernelName


def write(root: Path, name: str, code: str) -> None:
    (root / name).write_text("<?php " + code, encoding="utf-8")


def test_commands_that_php_starts_inherit_no_descriptor_of_the_server(tmp_path: Path, php: KernelName) -> None:
    write(
        tmp_path,
        "a.php",
        "$p = proc_open(['ls', '-l', '/proc/self/fd'], [1 => ['pipe', 'w']], $pipes); "
        "echo shell_exec('ls -l /proc/self/fd'), stream_get_contents($pipes[1]);",
    )
    with serving(tmp_path, kernel=php) as served:
        seen = served.get("a.php").body.decode()
        spool = str(Path(f"/proc/self/fd/{served.pool.spool_fd}").readlink())
    assert seen.count("-> /proc/") == 2
    for word in ("memfd", "eventfd", "socket", spool):
        assert word not in seen


def test_commands_that_php_starts_may_die_of_a_broken_pipe(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "a.php", "echo shell_exec('grep SigIgn /proc/self/status');")
    with serving(tmp_path, kernel=php) as served:
        ignored = int(served.get("a.php").body.split()[1], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)


def test_a_header_field_with_an_underscore_is_no_variable(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "a.php", "echo json_encode([getenv('HTTP_X_REAL'), $_SERVER['HTTP_X_REAL'] ?? false]);")
    with serving(tmp_path, kernel=php) as served:
        forged = [(b"X_Real", b"client"), (b"X-Real", b"proxy")]
        assert json.loads(served.get("a.php", headers=forged).body) == ["proxy", "proxy"]
        assert json.loads(served.get("a.php", headers=forged[:1]).body) == [False, False]
        twice = [(b"X-Real", b"one"), (b"X-Real", b"two")]
        assert json.loads(served.get("a.php", headers=twice).body) == ["two", "two"]


def test_a_preloaded_class_is_there_in_every_request(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "preload.php", "class Preloaded { const X = 'warm'; }")
    write(tmp_path, "a.php", "echo Preloaded::X;")
    ini = f"opcache.enable=1\nopcache.preload={tmp_path}/preload.php\nopcache.preload_user=root"
    with serving(tmp_path, kernel=php, ini=ini) as served:
        assert [served.get("a.php").body for _ in range(3)] == [b"warm"] * 3


def test_a_cache_reset_is_survived(tmp_path: Path, php: KernelName) -> None:
    write(tmp_path, "a.php", "opcache_reset(); echo 'reset';")
    write(
        tmp_path, "w.php", "askr_cow_ready(); while (askr_handle_request(function () { include __DIR__.'/a.php'; })) {}"
    )
    for script in (None, "w.php"):
        with serving(tmp_path, kernel=php, script=script, workers=2) as served:
            assert [served.get("a.php").body for _ in range(10)] == [b"reset"] * 10
