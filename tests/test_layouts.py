"""What `scripts.apps.layout` promises: a layout is whole or not there, and made once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from scripts.apps import debian, layout
from scripts.apps.errors import FetchError
from scripts.apps.layout import Application, Build
from scripts.apps.php_cli import PhpNeeds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ANY_PHP = PhpNeeds(0, ())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, a PHP that any machine has, and no download."""
    monkeypatch.setenv("ASKR_CACHE", str(tmp_path))
    monkeypatch.setattr(layout, "find_php", lambda _needs: "/bin/true")
    monkeypatch.setattr(debian, "download", lambda _names, _suite, _log: [])


def application(lay_out: Callable[[Build], str]) -> Application:
    return Application("sample", ("sample",), "sid", ANY_PHP, (), lay_out)


def write_app(build: Build) -> str:
    build.app.mkdir()
    (build.app / "index.php").write_text("<?php")
    return "Sample 1"


def test_a_layout_is_made_once() -> None:
    made = []

    def lay_out(build: Build) -> str:
        made.append(build.app)
        return write_app(build)

    sample = application(lay_out)
    final = layout.ensure(sample)
    assert layout.ensure(sample) == final
    assert len(made) == 1
    assert (final / "app/index.php").read_text() == "<?php"
    assert "Sample 1" in (final / "layout.json").read_text()
    assert not (final / "root").exists()


def test_what_failed_half_way_never_has_the_final_name() -> None:
    def fail(build: Build) -> str:
        write_app(build)
        raise FetchError("a step failed")

    with pytest.raises(FetchError, match="a step failed"):
        layout.ensure(application(fail))
    assert not layout.layout_of(application(fail)).exists()
    assert (layout.ensure(application(write_app)) / "app/index.php").exists()


def test_a_folder_without_its_marker_is_made_again() -> None:
    final = layout.layout_of(application(write_app))
    (final / "app").mkdir(parents=True)
    assert (layout.ensure(application(write_app)) / "app/index.php").exists()


def test_two_at_once_make_one() -> None:
    made, is_first_inside, may_go_on = [], threading.Event(), threading.Event()

    def lay_out(build: Build) -> str:
        made.append(build.app)
        is_first_inside.set()
        assert may_go_on.wait(10)
        return write_app(build)

    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(layout.ensure(application(lay_out)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert is_first_inside.wait(10)
    may_go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert len(set(found)) == 1


def test_changed_sources_make_another_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = layout.key_of(application(write_app))
    helper = tmp_path / "private-apt.sh"
    helper.write_bytes(debian.PRIVATE_APT.read_bytes() + b"# changed\n")
    monkeypatch.setattr(debian, "PRIVATE_APT", helper)
    assert layout.key_of(application(write_app)) != before


def test_no_php_that_will_do_is_an_error_that_names_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.apps import php_cli

    monkeypatch.setenv("ASKR_PHP_CLI", "/bin/false")
    with pytest.raises(FetchError, match=r"/bin/false does not run"):
        php_cli.find_php(PhpNeeds(80300, ("mbstring",)))
