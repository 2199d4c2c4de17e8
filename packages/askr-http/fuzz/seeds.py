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

from askr_shm.head import encode_response_head

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
    b"Expect: 100-continue", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: a, Keep-Alive ,,", b"Connection: x\t,\tclose\t,\t", b"X-\xe9: a", b"X: \xe9\t\x80",
)  # fmt: skip


HOSTS = (
    b"[1234:5678:9abc:def0:1234:5678:255.255.255.255]:65535", b"[" + b"1" * 45 + b"]:12345", b"[" + b"1" * 46 + b"]", b"[::]", b"[:]", b"a:", b":1",
    b"a.b-c_d~:123456", b"a:12345", b"",
)  # fmt: skip
CONDITIONS = (
    b'If-None-Match: "5a-1f"', b'If-None-Match: W/"5a-1f"', b'If-None-Match: "a", ,"5a-1f" ,"b"', b"If-None-Match: *", b'If-None-Match: "a" x',
    b"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", b"If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", b"If-Modified-Since: Sun Nov  6 08:49:37 1994",
    b"If-Match: *", b"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", b"Range: bytes=0-0", b"Range: bytes=-5", b"Range: bytes=-0", b"Range: bytes=5-",
    b"Range: bytes=999-1000", b"Range: bytes=1000-", b"Range: bytes=1-0", b"Range: bytes=0-1,5-", b"Range: bytes=2000-,3000-", b"Range: Bytes = 1 - 2",
    b"Range: lines=1-2", b"Range: bytes=999999999999999999-", b"Range: bytes=1999999999999999999-", b"Range: bytes=a-b", b"Range: bytes=",
    b"Range: \tbytes\t=\t0-1\t,\t5\t-\t9\t", b"If-Range:\r\nRange: bytes=1-",
    b"If-Range: W\r\nRange: bytes=1-", b'If-None-Match: Wx"a"', b'If-None-Match:\t"a"\t,\t"5a-1f"\t', b'If-Range: "5a-1f"\r\nRange: bytes=1-', b'If-Range: W/"5a-1f"\r\nRange: bytes=1-', b"If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\nRange: bytes=1-",
    b"Accept-Encoding: gzip, br", b"Accept-Encoding: br;q=0.001, gzip;q=0.1", b"Accept-Encoding: *", b"Accept-Encoding: *;q=0, identity;q=1.000",
    b"Accept-Encoding: br;q=1.001", b"Accept-Encoding: GZIP ; Q=1, ; x", b"Accept-Encoding: x-gzip;q=0.5;q=0.7\r\nAccept-Encoding: identity;q=0.6",
)  # fmt: skip


def requests() -> Iterator[bytes]:
    """Yield what clients send, and what they should not."""
    data = tomllib.loads(CASES.read_text(encoding="utf-8"))
    for row in [*data["refused"], *data["taken"]]:
        wire = row["wire"].encode("latin-1")
        yield wire
        yield wire + START + b"\r\n"
    yield BROWSER
    yield BROWSER * 2
    for begun in (
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b"X: a\r",
        b"X: a\r\n\r",
        b"X: a\rb",
        b"X: a\n",
        b"X: \0",
    ):  # complete or not makes a difference
        yield START + begun
    yield START.replace(b"/ ", b"/%41%2F%c3%A9%7e ") + b"\r\n"
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
    for digits in (b"9" * 18, b"1" + b"0" * 18, b"0" * 17 + b"5"):
        yield START + b"Content-Length: " + digits + b"\r\n\r\n"
    for host in HOSTS:
        yield b"GET /a%20b?%zz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


def php_requests() -> Iterator[bytes]:
    """Yield requests whose names come again, in any case, or must not come to PHP."""
    yield BROWSER
    yield b"GET / HTTP/1.0\r\n\r\n"
    for lines in (
        (b"Cookie: a=b", b"X: 1", b"cookie: c", b"COOKIE:", b"x: 2"), (b"X-Foo: 1", b"X_Foo: 2", b"x-foo: 3", b"X-F^o: 4", b"X-F~o: 5"),
        (b"Proxy: x", b"Trailer: y", b"Content-Length: 3", b"TE: z", b"te: y"), (b"Accept:", b"accept:", b"Accept: \xe9"), (b"Range: a", b"If-Range: b"),
    ):  # fmt: skip
        yield START + b"\r\n".join(lines) + b"\r\n\r\nabc"
    yield START + b"A: 1\r\n" * 127 + b"\r\n"
    for host in HOSTS:
        yield b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


def conditions() -> Iterator[bytes]:
    """Yield requests with conditions, ranges and codings; a date's every field at its limits."""
    for field in CONDITIONS:
        yield START + field + b"\r\n\r\n"
        yield START.replace(b"GET", b"HEAD") + field + b"\r\n\r\n"
    for date in (
        b"Thu, 29 Feb 2024 23:59:60 GMT", b"Thu, 29 Feb 2023 00:00:00 GMT", b"Mon, 31 Dec 9999 23:59:59 GMT", b"Mon, 01 Jan 0001 00:00:00 GMT",
        b"Mon, 01 Jan 0000 00:00:00 GMT", b"Mon, 32 Jan 2000 00:00:00 GMT", b"Mon, 01 Jan 2000 24:00:00 GMT", b"Mon, 01 Jan 2000 00:60:00 GMT",
        b"Tue, 31 Apr 2000 00:00:00 GMT", b"Tue, 00 Apr 2000 00:00:00 GMT", b"Xyz, 01 Apr 2000 00:00:00 GMT", b"Tue, 01 Xyz 2000 00:00:00 GMT",
    ):  # fmt: skip
        yield START + b"If-Modified-Since: " + date + b"\r\n\r\n"


def responses() -> Iterator[bytes]:
    """Yield response heads as a worker encodes them, the flags of the request before them."""
    fields = [
        (b"Content-Type", b"text/html"), (b"Content-Length", b"5"), (b"content-length", b" 5 "), (b"Content-Length", b"1000"), (b"Content-Length", b"x"),
        (b"Date", b"Sun, 06 Nov 1994 08:49:37 GMT"), (b"Connection", b"close, X-Hop"), (b"X-Hop", b"1"), (b"Keep-Alive", b"5"), (b"TE", b""),
        (b"Transfer-Encoding", b"chunked"), (b"Upgrade", b"h2c"), (b"Trailer", b"x"), (b"Proxy-Connection", b"x"), (b"Bad Name", b"x"), (b"X-\xe9", b"x"),
        (b"Set-Cookie", b"a=b\t\xe9"), (b"Content-Length", b"9" * 18), (b"Content-Length", b"9" * 19), (b"Connection", b"date,,content-type "),
    ]  # fmt: skip
    for flags in range(16):
        for status in (199, 200, 204, 205, 304, 404, 999, 1000):
            yield bytes([flags]) + encode_response_head(status, [], b"Fine" if status == 200 else b"")
            yield bytes([flags]) + encode_response_head(status, fields[:2])
        yield bytes([flags]) + encode_response_head(200, [field for field in fields if b" " not in field[0]])
        for field in fields:
            yield bytes([flags]) + encode_response_head(200, [field, *fields[4:7]])
    yield b"\0" + encode_response_head(200, [(b"Connection", b"a")] * 9)
    yield b"\0" + encode_response_head(200, [(b"Connection", b"a" * 1025)])
    yield b"\0" + encode_response_head(200, fields)[:-1]
    yield b"\0" + encode_response_head(200, [(b"X", b"ab")]).replace(b"ab", b"a\0")
    yield b"\0" + encode_response_head(200, [(b"TE", b"ab")]).replace(b"ab", b"a\n")


def paths() -> Iterator[bytes]:
    """Yield paths as they stand in targets."""
    names = (
        b"a", b"index.php", b"a.PHP.txt", b"a.phtml", b"a.php7", b"a.php77", b"a.phpx", b"a.php!", b"a.bak", b"a~", b".well-known", b".git", b"..", b".", b"", b"%2e%2E", b"%2f", b"%5C",
        b"a%00", b"%", b"%4", b"%zz", b"\\", b"n" * 255, b"n" * 256, b"%41" * 255, b"\xe9", b"a.php.", b".php", b"a.ph",
    )  # fmt: skip
    for name in names:
        yield b"/" + name
        yield b"/" + name + b"/"
        yield b"/x.php/" + name + b"/y.php"
    yield b"/a" * 1024
    yield b"/a" * 1024 + b"/"
    yield b"/" * 2048
    yield b"/" + b"b" * 2047
    yield b"no/path"


def main(folder: Path) -> None:
    """Write the seeds of each target below `folder`."""
    for name, seeds in {
        "h1_codec": requests,
        "php_requests": php_requests,
        "conditions": conditions,
        "responses": responses,
        "paths": paths,
    }.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for seed in seeds():
            digest = hashlib.sha1(seed, usedforsecurity=False).hexdigest()  # as libFuzzer names them
            (folder / name / digest).write_bytes(seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
