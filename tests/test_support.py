"""What the other tests stand on must hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import processes, server
from tests.support.browser import File, encode_multipart
from tests.support.forms import find_form
from tests.support.png import make_png, png_size

if TYPE_CHECKING:
    from pathlib import Path

READY = 'import json, os, sys; os.write(int(sys.argv[sys.argv.index("--ready-fd") + 1]), json.dumps({"listeners": [{"host": "127.0.0.1", "port": 1}]}).encode() + b"\\n")'
LEAVE_IN_ORDER = "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"


def fake_askr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> Path:
    """Make `ASKR_BIN` a script that says it is ready after `lines`, and then waits for a signal."""
    script = tmp_path / "fake.py"
    script.write_text("\n".join(["import sys", LEAVE_IN_ORDER, *lines, READY, "signal.pause()"]))
    monkeypatch.setenv("ASKR_BIN", f"{sys.executable} {script}")
    return tmp_path / "log"


def test_a_server_that_behaves_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_askr(tmp_path, monkeypatch)
    with server.askr_serve("--root", tmp_path, log=log) as running:
        assert running.url == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))", "exited with 3"),
        ("signal.signal(signal.SIGTERM, signal.SIG_DFL)", "exited with -15"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "did not drain within 1.0 s"),
        (
            "print('12:00:00 WARNING something', file=sys.stderr, flush=True)",
            "undeclared in the log: 12:00:00 WARNING something",
        ),
        ("import os, subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)", "left behind: "),
        ("import os; os.fork() or os._exit(0); os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)", "did not wait for"),
    ],
)
def test_a_server_that_does_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, complaint: str
) -> None:
    monkeypatch.setattr(server, "SETTLE_S", 0.2)
    log = fake_askr(tmp_path, monkeypatch, line)
    with pytest.raises(AssertionError, match=complaint), server.askr_serve(log=log, timeout_s=1.0):
        pass


def test_a_server_that_keeps_a_descriptor_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SETTLE_S", 0.2)
    take_one = "import os; signal.signal(signal.SIGUSR1, lambda *_: os.open('/dev/zero', 0))"
    log = fake_askr(tmp_path, monkeypatch, take_one)
    script = tmp_path / "fake.py"
    script.write_text(script.read_text() + "\nsignal.pause()")
    with (
        pytest.raises(AssertionError, match=r"holds \d+ descriptors.*/dev/zero"),
        server.askr_serve(log=log) as running,
    ):
        make_it_take_one(running.pid)


def make_it_take_one(pid: int) -> None:
    before = len(processes.descriptors_of(pid))
    os.kill(pid, signal.SIGUSR1)
    assert processes.wait_until(lambda: len(processes.descriptors_of(pid)) > before, 5.0)


def test_a_declared_warning_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_askr(tmp_path, monkeypatch, "print('12:00:00 WARNING something', file=sys.stderr, flush=True)")
    with server.askr_serve(log=log, declared=["WARNING some"]):
        pass


def test_a_server_that_dies_is_shown_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_askr(tmp_path, monkeypatch, "sys.exit('no such folder')")
    with pytest.raises(AssertionError, match=r"exited with 1\n(.|\n)*no such folder"), server.askr_serve(log=log):
        pass


def test_a_form_has_what_a_browser_would_submit() -> None:
    page = """
        <form action="/other"><input name=q></form>
        <form method=POST action="/go?a=1&amp;b=2"><input type=hidden name=token value="&lt;x&gt;"><input name=text value=t>
        <input type=checkbox name=off value=1><input type=checkbox name=on value=1 checked><input type=submit name=save value=Save>
        <select name=s><option value=1><option value=2 selected></select><textarea name=area>some
        lines</textarea></form>"""
    form = find_form(page, "token")
    assert (form.method, form.action) == ("post", "/go?a=1&b=2")
    assert form.fields == {"token": "<x>", "text": "t", "on": "1", "s": "2", "area": "some\n        lines"}


def test_multipart_has_fields_and_files() -> None:
    body, media_type = encode_multipart({"a": "ä"}, {"f": File("n.txt", b"\r\n--x", "text/plain")})
    boundary = media_type.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary) == 3
    assert b'name="a"\r\n\r\n\xc3\xa4\r\n' in body
    assert b'name="f"; filename="n.txt"\r\nContent-Type: text/plain\r\n\r\n\r\n--x\r\n' in body


def test_an_image_has_its_size(tmp_path: Path) -> None:
    image = make_png(30, 20)
    assert png_size(image) == (30, 20)
    (tmp_path / "image.png").write_bytes(image)
    told = subprocess.run(["file", "-b", tmp_path / "image.png"], capture_output=True, text=True, check=True).stdout
    assert "PNG image data, 30 x 20, 8-bit/color RGB" in told
