"""A site in C and the front's handler in Python, asked the same, for tests that compare their answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from askr_http import media_types
from askr_http._kernel import ffi, lib
from askr_http.errors import ServerAnswer
from askr_http.exchange import Address, Exchange, Header, RequestHead
from askr_http.front.handler import FrontHandler
from askr_http.front.spec import FrontSpec
from askr_http.front.tree import DocumentRoot
from askr_http.h1 import Head, RequestReader
from askr_http.limits import Limits
from askr_http.routing import Script

_ANSWERS = {
    number: name.removeprefix("ASKR_ANSWER_") for name, number in ffi.typeof("askr_answer_id").relements.items()
}
_LIMITS = ffi.new("askr_codec_limits *", [Limits().head_bytes, Limits().target_bytes])


@dataclass(frozen=True)
class Answer:
    """An answer, without what is the writer's: `content_length` is None where there is none to tell."""

    status: int
    headers: list[Header]
    content_length: int | None
    body: bytes


class Deferred:
    """Python is to decide."""


Outcome = Answer | Script | Deferred


@dataclass(frozen=True)
class Policy:
    """How a site is made."""

    front: str = "index.php"
    scripts: bool = True
    follows: bool = False
    files: int = 64
    small_bytes: int = 4096


def wire(target: bytes, *lines: bytes, method: bytes = b"GET") -> bytes:
    """Return a request's bytes."""
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: a", *lines, b"", b""])


def _text(s: Any) -> bytes:
    return bytes(ffi.buffer(s.at, s.len)[:]) if s.len else b""


def _slice(kept: list[Any], text: bytes) -> dict[str, Any]:
    kept.append(ffi.from_buffer(text))
    return {"at": kept[-1], "len": len(text)}


class NativeSite:
    """The site in C.

    Args:
        root: The document root.
        policy: How it is made.
    """

    def __init__(self, root: Path, policy: Policy) -> None:
        kept: list[Any] = []
        names = [ffi.new("char[]", os.fsencode(text)) for text in (root, policy.front)]
        config = [*names, policy.scripts, policy.follows, policy.files, policy.small_bytes]
        out = ffi.new("askr_site **")
        assert lib.askr_site_create(ffi.new("askr_site_config *", config), out) == lib.ASKR_OK
        self._site = out[0]
        for extension in media_types.extensions():
            name = b"." + extension.encode()
            kind = _slice(kept, media_types.content_type(name))
            is_compressible = media_types.is_compressible(name)
            row = (_slice(kept, extension.encode()), kind, is_compressible)
            assert lib.askr_site_add_type(self._site, *row) == lib.ASKR_OK
        kind = _slice(kept, media_types.content_type(b""))
        assert lib.askr_site_set_default_type(self._site, kind) == lib.ASKR_OK

    def close(self) -> None:
        """Let it go."""
        lib.askr_site_destroy(self._site)

    def ask(self, data: bytes, now_wall_s: int, now_mono_ns: int = 0) -> Outcome | None:
        """Return the answer to a request; None when the codec does not take it."""
        buffer, request = ffi.from_buffer("uint8_t[]", data), ffi.new("askr_request *")
        verdict = lib.askr_codec_read(buffer, len(data), _LIMITS, ffi.new("uint32_t *"), request)
        if verdict != lib.ASKR_CODEC_REQUEST:
            return None
        route = ffi.new("askr_route *")
        lib.askr_site_route(self._site, request, now_mono_ns, route)
        if route.kind == lib.ASKR_ROUTE_FILE:
            return self._answer(route.file, request, now_wall_s)
        if route.kind == lib.ASKR_ROUTE_SCRIPT:
            script = route.script
            return Script(_text(script.name), _text(script.filename), _text(script.path_info))
        if route.kind == lib.ASKR_ROUTE_ANSWER:
            row = ServerAnswer[_ANSWERS[route.answer]]
            allow = [(b"Allow", _text(route.allow))] if route.allow.len else []
            body = row.content if request.method_id != lib.ASKR_METHOD_HEAD else b""
            return Answer(row.status, row.headers + allow, len(row.content), body)
        return Deferred()

    def _answer(self, file: Any, request: Any, now_wall_s: int) -> Outcome:
        out = ffi.new("askr_static *")
        try:
            if lib.askr_static_answer(self._site, file, request, now_wall_s, out) == lib.ASKR_EAGAIN:
                return Deferred()
            lines = _text(out.headers).decode("latin-1").removesuffix("\r\n").split("\r\n")
            fields = [line.partition(": ") for line in lines]
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, _, value in fields]
            length = None if out.content_length == lib.ASKR_NO_LENGTH else out.content_length
            if out.content != ffi.NULL:
                body = ffi.buffer(out.content, out.length)[:]
            else:
                body = os.pread(out.fd, out.length, out.offset)
                assert len(body) == out.length
            return Answer(out.status, headers, length, body)
        finally:
            lib.askr_file_release(file)


class _Recorder(Exchange):
    """An exchange whose answer is kept."""

    def __init__(self, request: RequestHead) -> None:
        self.request = request
        self.outcome: Outcome | None = None
        self._parts: list[bytes] = []
        self._head: tuple[int, list[Header], int | None] = (0, [], None)

    @property
    def content_length(self) -> int | None:
        return 0

    @property
    def is_started(self) -> bool:
        return False

    @property
    def is_gone(self) -> bool:
        return False

    def on_gone(self, callback: Callable[[], None] | None) -> None:
        raise NotImplementedError

    async def read_body(self) -> bytes:
        raise NotImplementedError

    async def inform(self, status: int, headers: Sequence[Header] = ()) -> None:
        raise NotImplementedError

    async def respond(self, status: int, headers: Sequence[Header], body: bytes = b"", *, reason: bytes = b"") -> None:
        del reason
        length = None if status == 304 else len(body)
        self.outcome = Answer(status, list(headers), length, body if self.request.method != b"HEAD" else b"")

    async def start(
        self, status: int, headers: Sequence[Header], *, reason: bytes = b"", content_length: int | None = None
    ) -> None:
        del reason
        self._head = (status, list(headers), content_length)

    async def send(self, data: bytes | memoryview) -> None:
        self._parts.append(bytes(data))

    async def send_file(self, fd: int, offset: int, length: int) -> None:
        self._parts.append(os.pread(fd, length, offset))

    async def finish(self) -> None:
        self.outcome = Answer(*self._head, b"".join(self._parts))

    def abort(self) -> None:
        raise NotImplementedError


class _Origin:
    """PHP's place: keeps what would have run."""

    async def answer(self, exchange: _Recorder, script: Script) -> None:
        exchange.outcome = script


class _Unused:
    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(name)


class PureSite:
    """The front's handler.

    Args:
        root: The document root.
        policy: How it is made.
    """

    def __init__(self, root: Path, policy: Policy) -> None:
        self._now_mono = 0.0
        spec = FrontSpec(
            index=0,
            listener_fds=(),
            pool=_Unused(),  # type: ignore[arg-type]  # no request reaches PHP
            root=str(root),
            front_controller=policy.front,
            scripts=policy.scripts,
            follow_symlinks=policy.follows,
        )
        self._root = DocumentRoot(str(root), follows_symlinks=policy.follows, clock=lambda: self._now_mono)
        self._handler = FrontHandler(spec, self._root, _Origin())  # type: ignore[arg-type]  # the same shape

    def close(self) -> None:
        """Let it go."""
        self._root.close()

    def ask(self, data: bytes, now_wall_s: int, now_mono_ns: int = 0) -> Outcome:
        """Return the answer to a request."""
        self._now_mono = now_mono_ns / 1e9
        reader = RequestReader(Limits())
        reader.receive(data)
        head = reader.maybe_next()
        assert isinstance(head, Head)
        target, nowhere = head.target, Address("", 0)
        exchange = _Recorder(
            RequestHead(
                head.method,
                target.origin,
                target.raw_path,
                target.path,
                target.query,
                "http",
                head.authority,
                head.headers,
                head.protocol,
                nowhere,
                nowhere,
                is_tls=False,
            )
        )
        with mock.patch("askr_http.front.static.time.time", return_value=float(now_wall_s)):
            run(self._handler(exchange))
        assert exchange.outcome is not None
        return exchange.outcome


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")


class Pair:
    """Both, over one root."""

    def __init__(self, root: Path, policy: Policy) -> None:
        self.native, self.pure = NativeSite(root, policy), PureSite(root, policy)
        self.asked = self.deferred = 0

    def ask(self, data: bytes, now_wall_s: int, now_mono_ns: int = 0) -> Outcome | None:
        """Return C's answer after comparing it with Python's."""
        native = self.native.ask(data, now_wall_s, now_mono_ns)
        if native is None:
            return None
        self.asked += 1
        if isinstance(native, Deferred):
            self.deferred += 1
        else:
            assert native == self.pure.ask(data, now_wall_s, now_mono_ns)
        return native

    def close(self) -> None:
        """Let both go."""
        self.native.close()
        self.pure.close()


@contextmanager
def pair(root: Path, policy: Policy | None = None) -> Iterator[Pair]:
    """Both, for a while."""
    both = Pair(root, policy or Policy())
    try:
        yield both
    finally:
        both.close()
