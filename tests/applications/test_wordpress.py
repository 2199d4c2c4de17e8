"""WordPress on a real MariaDB, per request: many scripts, permalinks, uploads, comments."""

from __future__ import annotations

import html
import re
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.applications.conftest import PER_REQUEST
from tests.support.browser import File
from tests.support.forms import find_form
from tests.support.png import make_png, png_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.applications.conftest import RunningApp, StartApp
    from tests.support.browser import Answer, Browser

LOGGED_IN = re.compile(r"^wordpress_logged_in_")


@pytest.fixture(scope="module")
def app(askr_app: StartApp) -> Iterator[RunningApp]:
    """The blog."""
    with askr_app("wordpress", PER_REQUEST) as running:
        yield running


@pytest.fixture
def admin(browser: Browser) -> Browser:
    """A visitor who is logged in as the administrator."""
    assert log_in(browser, "adminpass").url.endswith("/wp-admin/")
    return browser


def log_in(browser: Browser, password: str) -> Answer:
    form = find_form(browser.get("/wp-login.php").text, "pwd")
    return browser.post("/wp-login.php", {**form.fields, "log": "admin", "pwd": password})


def is_logged_in(browser: Browser) -> bool:
    return any(LOGGED_IN.match(cookie.name) for cookie in browser.cookies)


def test_the_front_page_shows_the_first_post(browser: Browser) -> None:
    answer = browser.get("/")
    assert (answer.status, answer.media_type) == (200, "text/html")
    assert "<title>Test Blog" in answer.text
    assert "Hello world!" in answer.text


def test_a_pretty_permalink_leads_to_its_post(browser: Browser) -> None:
    link = re.search(r'href="([^"]+/hello-world/)"', browser.get("/").text)
    assert link is not None
    assert re.fullmatch(re.escape(browser.url) + r"/\d{4}/\d\d/hello-world/", link[1])
    assert "Welcome to WordPress." in browser.get(link[1]).text
    assert browser.get("/?p=1").url == link[1]


def test_a_permalink_without_its_slash_is_redirected(browser: Browser) -> None:
    answer = browser.get("/sample-page", follow=False)
    assert (answer.status, answer.headers["Location"]) == (301, f"{browser.url}/sample-page/")
    assert browser.get("/sample-page/").status == 200


def test_a_page_that_is_not_there_is_a_404_of_wordpress(browser: Browser) -> None:
    answer = browser.get("/there/is/nothing/")
    assert answer.status == 404
    assert "Page not found" in answer.text


def test_a_feed_has_its_media_type(browser: Browser) -> None:
    answer = browser.get("/feed/")
    assert (answer.status, answer.media_type) == (200, "application/rss+xml")
    assert "<title>Hello world!</title>" in answer.text


def test_the_rest_api_answers_with_json(browser: Browser) -> None:
    assert browser.get("/wp-json/wp/v2/posts").json()[0]["slug"] == "hello-world"


def test_static_files_of_the_core_are_served(browser: Browser) -> None:
    answer = browser.get("/wp-includes/js/jquery/jquery.min.js")
    assert answer.status == 200
    assert answer.media_type in {"text/javascript", "application/javascript"}
    assert browser.get("/wp-includes/css/dashicons.min.css").media_type == "text/css"


def test_the_admin_asks_strangers_to_log_in(browser: Browser) -> None:
    assert browser.get("/wp-admin/").url.startswith(f"{browser.url}/wp-login.php?redirect_to=")


def test_a_wrong_password_is_refused(browser: Browser) -> None:
    assert "is incorrect" in log_in(browser, "wrong").text
    assert not is_logged_in(browser)


def test_login_opens_the_admin_and_logout_closes_it(browser: Browser) -> None:
    page = log_in(browser, "adminpass")
    assert is_logged_in(browser)
    assert "<h1>Dashboard</h1>" in page.text
    logout = re.search(r"""href=['"]([^'"]+action=logout[^'"]*)""", page.text)
    assert logout is not None
    browser.get(html.unescape(logout[1]))
    assert "/wp-login.php" in browser.get("/wp-admin/").url


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("edit.php", "Posts"),
        ("upload.php", "Media Library"),
        ("options-general.php", "General Settings"),
        ("users.php", "Users"),
    ],
)
def test_admin_pages_are_scripts_of_their_own(admin: Browser, page: str, title: str) -> None:
    answer = admin.get(f"/wp-admin/{page}")
    assert answer.status == 200
    assert re.search(rf"<h1[^>]*>\s*{title}", answer.text)


def test_the_admin_loads_its_scripts_together(admin: Browser) -> None:
    source = re.search(r"""src=['"]([^'"]*load-scripts\.php[^'"]*)""", admin.get("/wp-admin/").text)
    assert source is not None
    answer = admin.get(html.unescape(source[1]))
    assert (answer.status, answer.media_type) == (200, "application/javascript")
    assert len(answer.body) > 50_000


def test_an_uploaded_image_is_resized_and_served_as_a_file(app: RunningApp, admin: Browser) -> None:
    image = make_png(1200, 800)
    name = f"gradient-{secrets.token_hex(4)}"
    fields = find_form(admin.get("/wp-admin/media-new.php?browser-uploader").text, "_wpnonce").fields
    answer = admin.post(
        "/wp-admin/async-upload.php",
        {"_wpnonce": fields["_wpnonce"], "action": "upload-attachment", "name": f"{name}.png"},
        files={"async-upload": File(f"{name}.png", image, "image/png")},
    )
    made = answer.json()
    assert made["success"], answer.text
    sizes = made["data"]["sizes"]
    assert (sizes["full"]["width"], sizes["full"]["height"]) == (1200, 800)
    assert (sizes["medium"]["width"], sizes["medium"]["height"]) == (300, 200)
    with app.browser() as stranger:
        whole = stranger.get(sizes["full"]["url"])
        assert (whole.status, whole.media_type, whole.body) == (200, "image/png", image)
        small = stranger.get(sizes["medium"]["url"])
        assert (small.status, small.media_type, png_size(small.body)) == (200, "image/png", (300, 200))
        assert small.headers["Content-Length"] == str(len(small.body))
        again = stranger.get(sizes["medium"]["url"], headers={"If-None-Match": small.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
    # The plain form of media-new.php works as well, and leads to the library.
    form = {**fields, "html-upload": "Upload"}
    page = admin.post(
        "/wp-admin/media-new.php", form, files={"async-upload": File(f"{name}-2.png", make_png(20, 20), "image/png")}
    )
    assert page.url == f"{admin.url}/wp-admin/upload.php"


def test_a_comment_is_posted_and_shown(app: RunningApp, browser: Browser) -> None:
    text = f"A comment with \N{SNOWMAN} and <b>bold</b> {secrets.token_hex(8)}"
    post = browser.get("/?p=1")
    form = find_form(post.text, "comment")
    answer = browser.post(
        "/wp-comments-post.php",
        {**form.fields, "author": "A visitor", "email": f"{secrets.token_hex(4)}@example.com", "comment": text},
        headers={"Referer": post.url},
        follow=False,
    )
    assert (answer.status, answer.headers["Location"].partition("#")[0]) == (302, post.url)
    with app.browser() as stranger:
        assert text in stranger.get(post.url).text


def test_a_post_written_through_the_rest_api_appears(admin: Browser) -> None:
    nonce = re.search(r'createNonceMiddleware\( "(\w+)" \)', admin.get("/wp-admin/post-new.php").text)
    assert nonce is not None
    title = f"Written by a test {secrets.token_hex(4)}"
    content = {"title": title, "content": "<p>Text.</p>", "status": "publish"}
    made = admin.send_json("POST", "/wp-json/wp/v2/posts", content, headers={"X-WP-Nonce": nonce[1]})
    assert made.status == 201
    page = admin.get(made.json()["link"])
    assert (page.status, title in page.text) == (200, True)


def test_sources_and_settings_are_not_served(browser: Browser) -> None:
    assert browser.get("/wp-config.php").body == b""
    assert browser.get("/wp-content/uploads/no-such.png").status == 404
