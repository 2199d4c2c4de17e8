"""PHP without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from askr_php import probe
from askr_php.kernel import KernelName, KernelNotFoundError, choose


def test_a_description_names_version_and_extensions(php: KernelName) -> None:
    about = probe.describe(php)
    assert about.version_id >= 80200
    assert not about.is_zts
    assert about.opcache_available
    assert about.sapi_name == "embed"
    assert {"json", "session", "standard", "askr"} <= set(about.extensions)


def test_a_script_runs_to_its_end_and_gives_its_status(php: KernelName, tmp_path: Path) -> None:
    script = tmp_path / "a.php"
    script.write_text("<?php echo PHP_SAPI, ' ', 6 * 7; exit(3);", encoding="utf-8")
    assert probe.run_script(str(script), php) == probe.ScriptResult(b"embed 42", 3)


def test_opcache_and_jit_run_in_this_sapi(php: KernelName, tmp_path: Path) -> None:
    script = tmp_path / "a.php"
    script.write_text(
        "<?php $s = opcache_get_status(false); echo json_encode([$s['opcache_enabled'], $s['jit']['on']]);",
        encoding="utf-8",
    )
    assert (
        probe.run_script(str(script), php, "opcache.jit=tracing\nopcache.jit_buffer_size=16M").output == b"[true,true]"
    )


def test_a_kernel_that_is_not_there_is_named() -> None:
    with pytest.raises(KernelNotFoundError, match="ASKR_PHP is 'swift'"):
        choose("swift")
