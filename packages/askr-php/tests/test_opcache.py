"""OPcache: started once in the template, shared by all workers, whichever of them compiled."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from template_harness import serving

from askr_php.kernel import KernelName

LONG_AGO = 1_700_000_000  # OPcache leaves files alone that changed within the last two seconds


@pytest.mark.parametrize("script", [None, "w.php"])
def test_what_one_worker_compiled_is_there_for_the_next(tmp_path: Path, php: KernelName, script: str | None) -> None:
    sources = {
        "a.php": "<?php include __DIR__.'/part.php'; echo part();",
        "part.php": "<?php if (!function_exists('part')) { function part() { return 'part'; } }",
        "b.php": "<?php echo json_encode([getmypid(), opcache_is_script_cached(__DIR__.'/part.php')]);",
        "w.php": "<?php askr_cow_ready(); while (askr_handle_request(function () { include __DIR__.$_SERVER['SCRIPT_NAME']; })) {}",
    }
    for name, code in sources.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
        os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    with serving(tmp_path, kernel=php, script=script) as served:
        first = served.workers[0]
        assert served.get("a.php").body == b"part"
        served.end_worker(0)
        served.fork(1)
        pid, is_cached = json.loads(served.get("b.php").body)
        assert pid != first
        assert is_cached
