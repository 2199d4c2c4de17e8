"""MediaWiki on SQLite, per request: pages, login, edits by form and by API, ResourceLoader."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from tests.applications.conftest import PER_REQUEST
from tests.support.forms import find_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.applications.conftest import RunningApp, StartApp
    from tests.support.browser import Browser


@pytest.fixture(scope="module")
def app(askr_app: StartApp) -> Iterator[RunningApp]:
    """The wiki."""
    with askr_app("mediawiki", PER_REQUEST) as running:
        yield running


@pytest.fixture
def admin(browser: Browser) -> Browser:
    """A visitor who logged in with the form."""
    page = browser.get("/index.php?title=Special:UserLogin")
    form = find_form(page.text, "wpPassword")
    answer = browser.post(page.url, {**form.fields, "wpName": "Admin", "wpPassword": "adminpassword1"})
    assert '"wgUserName":"Admin"' in answer.text
    return browser


def api(browser: Browser, **parameters: str) -> Any:
    answer = browser.post("/api.php", {"format": "json", "formatversion": "2", **parameters})
    assert (answer.status, answer.media_type) == (200, "application/json")
    return answer.json()


def test_the_root_leads_to_the_main_page(browser: Browser) -> None:
    answer = browser.get("/")
    assert (answer.status, answer.url) == (200, f"{browser.url}/wiki/Main_Page")
    assert "<title>Test Wiki</title>" in answer.text
    assert "MediaWiki has been installed" in answer.text


def test_a_page_has_a_pretty_address_and_a_script_address(browser: Browser) -> None:
    for target in ("/wiki/Special:Version", "/index.php?title=Special:Version", "/index.php/Special:Version"):
        answer = browser.get(target)
        assert answer.status == 200
        assert '"wgCanonicalSpecialPageName":"Version"' in answer.text
        assert "1.43." in answer.text


def test_a_page_that_is_not_there_is_a_404(browser: Browser) -> None:
    assert browser.get("/wiki/There_is_nothing").status == 404


def test_a_page_with_a_name_beyond_ascii_is_written_by_the_form_and_read(admin: Browser) -> None:
    title, word = f"Käse \N{SNOWMAN} {secrets.token_hex(4)}", secrets.token_hex(8)
    page = admin.get(
        f"/index.php?title={title.replace(' ', '_')}&action=edit".replace("ä", "%C3%A4").replace(
            "\N{SNOWMAN}", "%E2%98%83"
        )
    )
    form = find_form(page.text, "wpTextbox1")
    saved = admin.post(
        form.action,
        {**form.fields, "wpTextbox1": f"== Heading ==\n'''bold''' {word} & [[Main Page]]", "wpSave": "Save"},
    )
    assert saved.url.startswith(f"{admin.url}/wiki/K%C3%A4se_%E2%98%83_")
    assert f"<b>bold</b> {word} &amp; " in saved.text
    assert 'href="/wiki/Main_Page"' in saved.text
    history = admin.get(f"{saved.url}?action=history")
    assert "Admin" in history.text


def test_a_page_is_edited_through_the_api_with_a_token(browser: Browser) -> None:
    token = api(browser, action="query", meta="tokens", type="login")["query"]["tokens"]["logintoken"]
    done = api(
        browser,
        action="clientlogin",
        username="Admin",
        password="adminpassword1",
        logintoken=token,
        loginreturnurl=browser.url,
    )
    assert done["clientlogin"]["status"] == "PASS", done
    token = api(browser, action="query", meta="tokens")["query"]["tokens"]["csrftoken"]
    title, text = f"Api {secrets.token_hex(4)}", f"text {secrets.token_hex(2000)} \N{SNOWMAN}"
    done = api(browser, action="edit", title=title, text=text, token=token)
    assert done["edit"]["result"] == "Success", done
    done = api(browser, action="edit", title=title, appendtext=" and more", token=token)
    assert done["edit"]["result"] == "Success", done
    answer = browser.get(f"/index.php?title={title.replace(' ', '_')}&action=raw")
    assert (answer.media_type, answer.text) == ("text/x-wiki", f"{text} and more")


def test_an_edit_with_a_wrong_token_is_refused(browser: Browser) -> None:
    assert api(browser, action="edit", title="X", text="x", token="wrong+\\")["error"]["code"] == "badtoken"


def test_the_api_answers_queries(browser: Browser) -> None:
    answer = browser.get(
        "/api.php?action=query&meta=siteinfo&titles=Main%20Page&prop=revisions&rvprop=content&rvslots=main&format=json&formatversion=2"
    )
    query = answer.json()["query"]
    assert query["general"]["sitename"] == "Test Wiki"
    assert query["general"]["dbtype"] == "sqlite"
    assert "MediaWiki has been installed" in query["pages"][0]["revisions"][0]["slots"]["main"]["content"]


def test_the_rest_api_is_a_script_with_path_info(browser: Browser) -> None:
    answer = browser.get("/rest.php/v1/page/Main_Page")
    assert (answer.status, answer.json()["title"]) == (200, "Main Page")


def test_the_resource_loader_packs_styles_and_scripts(browser: Browser) -> None:
    styles = browser.get("/load.php?lang=en&modules=skins.vector.styles.legacy&only=styles&skin=vector")
    assert (styles.status, styles.media_type) == (200, "text/css")
    assert len(styles.body) > 5_000
    script = browser.get("/load.php?lang=en&modules=startup&only=scripts&raw=1&skin=vector")
    assert (script.status, script.media_type) == (200, "text/javascript")
    again = browser.get(
        "/load.php?lang=en&modules=startup&only=scripts&raw=1&skin=vector",
        headers={"If-None-Match": script.headers["ETag"]},
    )
    assert (again.status, again.body) == (304, b"")


def test_static_files_of_a_skin_are_served(app: RunningApp, browser: Browser) -> None:
    image = next((app.folder / "resources/assets").glob("*.svg"))
    answer = browser.get(f"/resources/assets/{image.name}")
    assert (answer.status, answer.media_type, answer.body) == (200, "image/svg+xml", image.read_bytes())


def test_two_visitors_at_once_are_two_users(app: RunningApp, admin: Browser) -> None:
    with app.browser() as stranger:
        for _ in range(5):
            assert api(stranger, action="query", meta="userinfo")["query"]["userinfo"].get("anon") is True
            assert api(admin, action="query", meta="userinfo")["query"]["userinfo"]["name"] == "Admin"
