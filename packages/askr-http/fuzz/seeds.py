"""Seeds of the fuzz targets: what is known of the format before anything was found.

    python seeds.py FOLDER

writes a file for each case of tests/conformance/http1_cases.toml, and for the requests below.
"""

from __future__ import annotations

import hashlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

CASES = Path(__file__).resolve().parents[3] / "tests" / "conformance" / "http1_cases.toml"
START = b"GET / HTTP/1.1\r\nHost: a\r\n"
BROWSER = (
    b"GET /assets/app.css?v=3 HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\nReferer: https://shop.example.com/\r\nAccept-Encoding: gzip, deflate, br\r\n"
    b"Accept-Language: en-GB,en;q=0.9\r\nCookie: session=0123456789abcdef; theme=dark\r\n\r\n"
)
FIELDS = (
    b"Range: bytes=0-9", b'If-Range: "a"', b"If-Match: *", b'If-None-Match: W/"a", "b"', b"Proxy: x", b"TE: trailers", b"Trailer: X-A",
    b"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", b"If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT", b"Upgrade: websocket",
    b"Expect: 100-continue", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: a, Keep-Alive ,,", b"X-\xe9: a", b"X: \xe9\t\x80",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    """Yield the inputs."""
    data = tomllib.loads(CASES.read_text(encoding="utf-8"))
    for row in [*data["refused"], *data["taken"]]:
        wire = row["wire"].encode("latin-1")
        yield wire
        yield wire + START + b"\r\n"
    yield BROWSER
    yield BROWSER * 2
    yield START + b"Content-Length: 5\r\n\r\nhello" + START + b"\r\n" + START
    yield START + b"TE:\r\n" * 127 + b"\r\n"
    yield START + b"TE:\r\n" * 128 + b"\r\n"
    yield START.replace(b"/ ", b"/" + b"a" * 199 + b" ") + b"\r\n"
    yield b"GET /" + b"a" * 300
    yield b"M" * 253 + b" / HTTP/1.1\r\nHost: a\r\n\r\n"
    yield START + b"X: " + b"a" * 1460 + b"\r\n\r\n"
    yield START + b"X: " + b"a" * 1480 + b"\r\n\r\n"
    for field in FIELDS:
        yield START + field + b"\r\n\r\n"
        yield START.replace(b"1.1", b"1.0") + field + b"\r\n" + field + b"\r\n\r\n"
    for host in (
        b"[1234:5678:9abc:def0:1234:5678:255.255.255.255]:65535",
        b"[" + b"1" * 46 + b"]",
        b"a:",
        b":1",
        b"a.b-c_d~",
        b"",
    ):
        yield b"GET /a%20b?%zz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


def main(folder: Path) -> None:
    """Write the seeds below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (folder / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)  # as libFuzzer names them


if __name__ == "__main__":
    main(Path(sys.argv[1]))
