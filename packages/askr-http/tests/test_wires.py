"""Which wire serves."""

from __future__ import annotations

import logging
import sys

import pytest

from askr_http.wires import WireUnavailableError, choose_wire


@pytest.fixture
def without_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "askr_http._kernel", None)  # Python's own way to say that it is not there


def test_the_native_wire_serves_where_it_loads() -> None:
    assert [choose_wire(choice) for choice in ("auto", "native", "pure")] == ["native", "native", "pure"]


@pytest.mark.usefixtures("without_kernel")
def test_without_a_kernel_auto_is_pure_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert choose_wire("auto") == "pure"
    assert "the pure wire serves, because the native one cannot be loaded: " in caplog.text


@pytest.mark.usefixtures("without_kernel")
def test_without_a_kernel_native_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(WireUnavailableError, match=r"cannot be loaded: .*make kernel-http.*--wire pure"):
        choose_wire("native")
