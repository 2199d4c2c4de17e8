"""Symfony 7, per request and in worker mode."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.applications.conftest import BOTH_MODES, WORKER
from tests.applications.conversations import at_once, interleave
from tests.support.browser import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.applications.conftest import RunningApp, StartApp
    from tests.support.browser import Browser


@pytest.fixture(scope="module", params=BOTH_MODES)
def app(request: pytest.FixtureRequest, askr_app: StartApp) -> Iterator[RunningApp]:
    """The application in one of the modes."""
    with askr_app("symfony", request.param) as running:
        yield running


def test_the_home_page_is_rendered_by_twig(browser: Browser) -> None:
    answer = browser.get("/")
    assert (answer.status, answer.media_type) == (200, "text/html")
    assert "<h1>Symfony 7." in answer.text
    assert "<p>&lt;b&gt; /hello/x</p>" in answer.text


def test_a_route_takes_its_parameter(browser: Browser) -> None:
    assert browser.get("/hello/you").text == "Hello you"
    assert browser.get("/hello").text == "Hello world"


def test_what_no_route_matches_is_a_404(browser: Browser) -> None:
    assert browser.get("/hello/YOU").status == 404
    assert browser.get("/nothing/here").status == 404


def test_the_wrong_method_is_a_405(browser: Browser) -> None:
    answer = browser.get("/upload")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_a_redirect_leads_to_its_route(browser: Browser) -> None:
    answer = browser.get("/go", follow=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/hello/you")
    assert browser.get("/go").text == "Hello you"


def test_an_exception_is_a_500_and_the_next_request_works(browser: Browser) -> None:
    answer = browser.get("/boom")
    assert answer.status == 500
    assert "boom" not in answer.text
    assert browser.get("/hello").status == 200


def test_a_session_counts_for_each_visitor_alone(app: RunningApp, browser: Browser) -> None:
    assert [browser.get("/session").json()["n"] for _ in range(3)] == [1, 2, 3]
    with app.browser() as other:
        assert other.get("/session").json() == {"n": 1}
    assert browser.get("/session").json() == {"n": 4}


def test_a_stream_arrives_whole(browser: Browser) -> None:
    answer = browser.get("/stream")
    assert answer.text == "".join(f"line {i}\n" for i in range(1, 6))
    assert answer.media_type == "text/plain"


def test_an_upload_arrives_whole_and_can_be_moved(browser: Browser) -> None:
    content = os.urandom(300_000)
    answer = browser.post("/upload", {"note": "with ümlaut"}, files={"file": File("näme x.bin", content)})
    assert answer.json() == {
        "name": "näme x.bin",
        "size": len(content),
        "sha1": hashlib.sha1(content).hexdigest(),
        "note": "with ümlaut",
        "is_moved": True,
    }


def test_a_file_is_downloaded_whole_or_in_part(app: RunningApp, browser: Browser) -> None:
    content = (app.folder / "src/Kernel.php").read_bytes()
    answer = browser.get("/file")
    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["Content-Disposition"] == "attachment; filename=Kernel.php"
    part = browser.get("/file", headers={"Range": "bytes=5-14"})
    assert (part.status, part.body) == (206, content[5:15])
    assert part.headers["Content-Range"] == f"bytes 5-14/{len(content)}"
    last = browser.get("/file", headers={"Range": "bytes=-7"})
    assert (last.status, last.body) == (206, content[-7:])


def test_exit_ends_the_request_and_not_the_worker(browser: Browser) -> None:
    for _ in range(5):
        assert browser.get("/exit").text == "said before exit"
        assert browser.get("/hello").text == "Hello world"
        browser.cookies.clear()
        assert browser.get("/who").json() == {"user": None, "locale": "en", "flashes": [], "tally": 1}


def test_visitors_never_see_each_other(app: RunningApp) -> None:
    """Two who have entered, with different languages, and one who has not, by turns."""
    with app.browser() as alice, app.browser() as bob, app.browser() as guest:
        browsers = {"alice": alice, "bob": bob, "guest": guest}
        locales = {"alice": "en", "bob": "de", "guest": "en"}
        for name in ("alice", "bob"):
            answer = browsers[name].post("/enter", {"user": name, "locale": locales[name]})
            assert answer.json() == {"user": name, "locale": locales[name], "flashes": [f"Hello {name}"], "tally": 1}

        def ask(name: str, browser: Browser, _number: int) -> object:
            return browser.get(f"/who/{locales[name]}").json()

        def expected(name: str, _number: int) -> object:
            return {"user": None if name == "guest" else name, "locale": locales[name], "flashes": [], "tally": 1}

        interleave(browsers, ask, expected)
        assert bob.post("/leave").json()["user"] is None
        assert alice.get("/who").json()["user"] == "alice"


def test_sessions_count_right_when_visitors_come_at_once(app: RunningApp) -> None:
    counts = at_once(app.browser, lambda visitor: [visitor.get("/session").json()["n"] for _ in range(10)])
    assert counts == [list(range(1, 11))] * len(counts)


def test_a_flashed_message_is_seen_once_by_its_visitor(app: RunningApp) -> None:
    with app.browser() as first, app.browser() as second:
        for number in range(10):
            first.post("/enter", {"user": f"first-{number}"}, follow=False)
            assert second.get("/who").json()["flashes"] == []
            assert first.get("/who").json()["flashes"] == [f"Hello first-{number}"]
            assert first.get("/who").json()["flashes"] == []


def test_worker_mode_keeps_the_kernel_and_resets_its_services(app: RunningApp, browser: Browser) -> None:
    answers = [browser.get("/served").json() for _ in range(6)]
    assert {answer["tally"] for answer in answers} == {1}
    assert (max(answer["served"] for answer in answers) > 1) == (app.mode == WORKER)
