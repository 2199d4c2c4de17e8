"""A small browser: one connection that is kept alive, cookies, redirects, forms and uploads. Standard library only."""

from __future__ import annotations

import http.client
import json
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

MAX_REDIRECTS = 10
REDIRECTS_TO_GET = {301, 302, 303}
REDIRECTS = REDIRECTS_TO_GET | {307, 308}


@dataclass(frozen=True)
class File:
    """A file to upload: the name and type that the browser would send, and the content."""

    name: str
    content: bytes
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    """A whole response, and the URL that it came from after redirects."""

    url: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8")

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get_content_type() if "Content-Type" in self.headers else ""

    def json(self) -> Any:
        """The body as JSON, whatever its media type."""
        return json.loads(self.body)


def encode_multipart(fields: Mapping[str, str], files: Mapping[str, File]) -> tuple[bytes, str]:
    """Return (body, content type) of a multipart/form-data form (RFC 7578)."""
    boundary = uuid.uuid4().hex
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [
        f'Content-Disposition: form-data; name="{name}"; filename="{file.name}"\r\nContent-Type: {file.media_type}\r\n\r\n'.encode()
        + file.content
        for name, file in files.items()
    ]
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return body + b"--" + boundary.encode() + b"--\r\n", f"multipart/form-data; boundary={boundary}"


class Browser:
    """One visitor: cookies of its own and one connection.

    `url` is the server's address, `timeout_s` bounds each read.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.cookies = CookieJar()
        self.headers = dict(headers or {})
        parts = urllib.parse.urlsplit(self.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def cookie(self, name: str) -> str | None:
        """Return the value of the cookie `name`, or None."""
        return next((cookie.value for cookie in self.cookies if cookie.name == name), None)

    def get(self, target: str, *, headers: Mapping[str, str] | None = None, follow: bool = True) -> Answer:
        """GET `target`, which is a path on the server or a whole URL of it."""
        return self.send("GET", target, headers=headers, follow=follow)

    def post(
        self,
        target: str,
        form: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        *,
        files: Mapping[str, File] | None = None,
        headers: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> Answer:
        """POST `form`, urlencoded, or as multipart/form-data when there are `files`."""
        if files is None:
            body, media_type = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        else:
            body, media_type = encode_multipart(dict(form), files)
        return self.send(
            "POST", target, body=body, headers={"Content-Type": media_type, **(headers or {})}, follow=follow
        )

    def send_json(self, method: str, target: str, content: Any, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send `content` as JSON and ask for JSON."""
        own = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        return self.send(method, target, body=json.dumps(content).encode(), headers=own)

    def send(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> Answer:
        """Send one request and, unless `follow` is false, what its redirects lead to."""
        own = dict(headers or {})
        for _ in range(MAX_REDIRECTS):
            answer = self._send_one(method, target, body, own)
            if not follow or answer.status not in REDIRECTS or "Location" not in answer.headers:
                return answer
            target = urllib.parse.urljoin(answer.url, answer.headers["Location"])
            if answer.status in REDIRECTS_TO_GET:
                method, body = "GET", None
                own.pop("Content-Type", None)
        message = f"{target} redirects without end"
        raise AssertionError(message)

    def _send_one(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        url = urllib.parse.urljoin(f"{self.url}/", target)
        assert f"{url}/".startswith(f"{self.url}/"), f"{url} is not on {self.url}"
        request = urllib.request.Request(url, method=method, data=body, headers={**self.headers, **headers})
        self.cookies.add_cookie_header(request)
        path = url[len(self.url) :].partition("#")[0] or "/"
        try:
            response = self._exchange(method, path, body, dict(request.header_items()))
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The server may close an idle connection at any time (RFC 9112, 9.5): once more on a new one.
            self._connection.close()
            response = self._exchange(method, path, body, dict(request.header_items()))
        content = response.read()
        self.cookies.extract_cookies(response, request)
        return Answer(url, response.status, response.headers, content)

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        self._connection.request(method, path, body=body, headers=headers)
        return self._connection.getresponse()
