"""Laravel 13, per request and in worker mode."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.applications.conftest import BOTH_MODES, WORKER
from tests.applications.conversations import at_once, interleave
from tests.support.browser import Browser, File
from tests.support.forms import find_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.applications.conftest import RunningApp, StartApp


SERVERS = [*((mode, "native") for mode in BOTH_MODES), *((WORKER, "pure") for _ in BOTH_MODES[1:])]


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def app(request: pytest.FixtureRequest, askr_app: StartApp) -> Iterator[RunningApp]:
    """The application in one of the modes, over one of the wires."""
    mode, wire = request.param
    with askr_app("laravel", mode, wire=wire) as running:
        yield running


def log_in(browser: Browser, name: str) -> None:
    page = browser.get("/login")
    form = find_form(page.text, "password")
    answer = browser.post(form.action, {**form.fields, "email": f"{name}@example.com", "password": f"{name}-secret"})
    assert (answer.status, answer.json()) == (200, {"email": f"{name}@example.com"})


def test_routes_answer_with_text_json_and_status(browser: Browser) -> None:
    assert browser.get("/hello").text == "Hello World"
    assert browser.get("/up").status == 200
    assert browser.get("/abort").status == 418
    assert browser.get("/no/such/route").status == 404
    answer = browser.get("/json?a=1&b[]=2&b[]=3&c[d]=4")
    assert answer.media_type == "application/json"
    assert answer.json() == {
        "method": "GET",
        "url": f"{browser.url}/json?a=1&b%5B0%5D=2&b%5B1%5D=3&c%5Bd%5D=4",
        "ip": "127.0.0.1",
        "query": {"a": "1", "b": ["2", "3"], "c": {"d": "4"}},
        "is_secure": False,
    }


def test_blade_renders_and_escapes(browser: Browser) -> None:
    assert "<h1>Laravel v13." in browser.get("/").text
    page = browser.get("/hello/bob").text
    assert "<title>Hello</title>" in page
    assert "<p>Hello, Bob &amp; &lt;b&gt;!</p>" in page


def test_a_head_request_has_the_headers_and_no_body(browser: Browser) -> None:
    answer = browser.send("HEAD", "/hello/bob")
    assert (answer.status, answer.media_type, answer.body) == (200, "text/html", b"")


def test_a_redirect_names_the_host_that_was_asked(browser: Browser) -> None:
    answer = browser.get("/redirect", follow=False)
    assert (answer.status, answer.headers["Location"]) == (302, f"{browser.url}/hello/you")


def test_an_exception_is_a_500_page_without_details(browser: Browser) -> None:
    answer = browser.get("/error")
    assert answer.status == 500
    assert "boom" not in answer.text
    assert browser.get("/hello").status == 200


def test_cookies_are_encrypted_and_come_back(browser: Browser) -> None:
    answer = browser.get("/cookie")
    assert any(value.startswith("seen=") for value in answer.headers.get_all("Set-Cookie", []))
    assert browser.cookie("seen") != "yes"


def test_a_session_counts_for_each_visitor_alone(app: RunningApp, browser: Browser) -> None:
    assert [browser.get("/session").json()["n"] for _ in range(3)] == [1, 2, 3]
    with app.browser() as other:
        assert other.get("/session").json() == {"n": 1}
    assert browser.get("/session").json() == {"n": 4}


def test_an_invalid_form_goes_back_with_errors_and_old_input_once(browser: Browser) -> None:
    assert browser.get("/notes").status == 200  # where the visitor is sent back to
    answer = browser.post("/notes", {"title": "x" * 41}, headers={"Referer": f"{browser.url}/notes"}, follow=False)
    assert (answer.status, answer.headers["Location"]) == (302, f"{browser.url}/notes")
    page = browser.get("/notes").text
    assert "The title field must not be greater than 40 characters." in page
    assert find_form(page, "title").fields["title"] == "x" * 41
    page = browser.get("/notes").text
    assert "must not be greater" not in page
    assert find_form(page, "title").fields["title"] == ""


def test_invalid_json_is_a_422_with_errors(browser: Browser) -> None:
    answer = browser.send_json("POST", "/notes", {"body": 5})
    assert answer.status == 422
    assert set(answer.json()["errors"]) == {"title", "body"}


def test_a_form_without_its_token_is_refused(browser: Browser) -> None:
    answer = browser.post("/login", {"email": "alice@example.com", "password": "alice-secret"})
    assert answer.status == 419


def test_login_and_logout(browser: Browser) -> None:
    assert browser.get("/me", follow=False).headers["Location"] == f"{browser.url}/login"
    before = browser.cookie("askr_test_session")
    form = find_form(browser.get("/login").text, "password")
    page = browser.post(
        form.action,
        {**form.fields, "email": "alice@example.com", "password": "wrong"},
        headers={"Referer": f"{browser.url}/login"},
    )
    assert "These credentials do not match our records." in page.text
    assert find_form(page.text, "email").fields["email"] == "alice@example.com"
    log_in(browser, "alice")
    assert browser.cookie("askr_test_session") != before
    assert browser.get("/whoami").json()["status"] is None  # the greeting was flashed to /me, and only there
    token = find_form(browser.get("/login").text, "_token").fields["_token"]
    assert browser.post("/logout", {"_token": token}).url == f"{browser.url}/login"
    assert browser.get("/me", follow=False).status == 302


def test_eloquent_creates_reads_updates_and_deletes(browser: Browser) -> None:
    made = browser.send_json("POST", "/notes", {"title": "first", "body": "text"})
    assert made.status == 201
    target = f"/notes/{made.json()['id']}"
    assert browser.get(target).json()["title"] == "first"
    assert browser.send_json("PUT", target, {"title": "changed"}).json()["title"] == "changed"
    assert f'<li id="n{made.json()["id"]}">changed</li>' in browser.get("/notes").text
    assert browser.send_json("DELETE", target, {}).status == 204
    assert browser.get(target).status == 404


def test_a_form_may_override_the_method(browser: Browser) -> None:
    target = f"/notes/{browser.send_json('POST', '/notes', {'title': 'form'}).json()['id']}"
    assert browser.post(target, {"_method": "PUT", "title": "by a form"}).json()["title"] == "by a form"
    assert browser.post(target, {"_method": "DELETE"}).status == 204


def test_the_api_takes_json_bodies(browser: Browser) -> None:
    content = {"a": [1, 2], "b": {"c": "\N{SNOWMAN}"}}
    assert browser.send_json("PUT", "/api/echo", content).json() == content
    assert browser.send_json("PATCH", "/api/echo", {}).json() == []
    assert browser.send_json("GET", "/api/notes", {}).json()["per_page"] == 2


def test_a_pagination_link_keeps_the_host(browser: Browser) -> None:
    assert browser.get("/api/notes").json()["path"] == f"{browser.url}/api/notes"


def test_an_upload_arrives_whole_and_is_stored(browser: Browser) -> None:
    content = os.urandom(300_000)
    files = {"file": File("näme x.bin", content)}
    answer = browser.post("/upload", {"note": "with ümlaut"}, files=files)
    assert answer.json() == {
        "name": "näme x.bin",
        "size": len(content),
        "sha1": hashlib.sha1(content).hexdigest(),
        "note": "with ümlaut",
        "is_stored": True,
    }


def test_an_upload_without_a_file_fails_validation(browser: Browser) -> None:
    answer = browser.post("/upload", {}, files={"other": File("a", b"a")}, headers={"Accept": "application/json"})
    assert (answer.status, list(answer.json()["errors"])) == (422, ["file"])


def test_a_download_is_the_file_with_its_name(app: RunningApp, browser: Browser) -> None:
    answer = browser.get("/download")
    assert answer.headers["Content-Disposition"] == "attachment; filename=artisan.txt"
    assert answer.body == (app.folder / "artisan").read_bytes()
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_a_download_answers_a_range(app: RunningApp, browser: Browser) -> None:
    answer = browser.get("/download", headers={"Range": "bytes=10-19"})
    assert (answer.status, answer.body) == (206, (app.folder / "artisan").read_bytes()[10:20])


def test_a_stream_arrives_whole(browser: Browser) -> None:
    answer = browser.get("/stream")
    assert answer.text == "".join(f"line {i}\n" for i in range(1, 6))
    assert answer.media_type == "text/plain"


def test_an_event_stream_has_its_events(browser: Browser) -> None:
    answer = browser.get("/events")
    assert answer.media_type == "text/event-stream"
    assert re.findall(r"^data: (.*)$", answer.text, re.MULTILINE) == ["tick 1", "tick 2", "tick 3", "</stream>"]


def test_the_cache_counts_across_requests(browser: Browser) -> None:
    first = browser.get("/cache").json()["n"]
    assert [browser.get("/cache").json()["n"] for _ in range(3)] == [first + 1, first + 2, first + 3]


def test_a_queued_job_runs_in_a_queue_worker(app: RunningApp, browser: Browser) -> None:
    assert browser.post("/dispatch", {"title": "by the queue"}).status == 202
    assert "by the queue" not in browser.get("/notes").text
    assert "DONE" in app.run_php("artisan", "queue:work", "--once", "--no-ansi")
    assert "by the queue" in browser.get("/notes").text


def test_the_schedule_runs(app: RunningApp, browser: Browser) -> None:
    assert "add-note" in app.run_php("artisan", "schedule:run", "--no-ansi")
    assert "from the schedule" in browser.get("/notes").text


def test_exit_ends_the_request_and_not_the_worker(browser: Browser) -> None:
    for _ in range(5):
        assert browser.get("/exit").text == "said before exit"
        assert browser.get("/hello-web").text == "Hello World"
        assert browser.get("/whoami").json()["email"] is None


def test_visitors_never_see_each_other(app: RunningApp) -> None:
    """Two who are logged in, with different languages, and one who is not, by turns."""
    with app.browser() as alice, app.browser() as bob, app.browser() as guest:
        browsers = {"alice": alice, "bob": bob, "guest": guest}
        log_in(alice, "alice")
        log_in(bob, "bob")
        bob.get("/locale/de")
        known: dict[str, dict[str, str | None]] = {
            "alice": {"email": "alice@example.com", "locale": "en", "welcome": "Welcome"},
            "bob": {"email": "bob@example.com", "locale": "de", "welcome": "Willkommen"},
            "guest": {"email": None, "locale": "en", "welcome": "Welcome"},
        }

        def ask(name: str, browser: Browser, number: int) -> object:
            # Every third request of a visitor flashes a message, which the redirect's target shows, and nobody else sees.
            return browser.get(f"/flash/{name}-{number}" if number % 3 == 0 else "/whoami").json()

        def expected(name: str, number: int) -> object:
            return {**known[name], "status": f"{name}-{number}" if number % 3 == 0 else None}

        interleave(browsers, ask, expected)


def test_sessions_count_right_when_visitors_come_at_once(app: RunningApp) -> None:
    counts = at_once(app.browser, lambda visitor: [visitor.get("/session").json()["n"] for _ in range(10)])
    assert counts == [list(range(1, 11))] * len(counts)


def test_validation_errors_stay_with_their_visitor(app: RunningApp) -> None:
    with app.browser() as careless, app.browser() as other:
        for number in range(10):
            title = f"{number}" * 50
            careless.post("/notes", {"title": title}, headers={"Referer": f"{app.url}/notes"}, follow=False)
            assert title not in other.get("/notes").text
            assert find_form(careless.get("/notes").text, "title").fields["title"] == title


def test_what_a_request_changes_is_gone_in_the_next(app: RunningApp) -> None:
    """Configuration, container, user, context, cookies, transaction, log, URL, view: whatever `/trace/leave` touches."""
    with app.browser() as first, app.browser() as second:
        pristine: dict[str, object] = {**second.get("/trace/look").json(), "terminated": None}
        for number in range(1, 7):
            assert first.get("/trace/leave").json() == {"left": True}
            for visitor in (second, first):
                seen = visitor.get("/trace/look").json()
                assert seen["terminated"] <= number, (
                    "a terminating callback ran once more at the end of a later request"
                )
                assert {**seen, "terminated": None} == pristine
        assert pristine["user"] is None
        assert (pristine["name"], pristine["locale"], pristine["url"]) == ("Askr test", "en", f"{app.url}/x")


def test_worker_mode_keeps_the_application_booted(app: RunningApp, browser: Browser) -> None:
    answers = [browser.get("/trace/served").json() for _ in range(6)]
    assert (max(answer["served"] for answer in answers) > 1) == (app.mode == WORKER)
