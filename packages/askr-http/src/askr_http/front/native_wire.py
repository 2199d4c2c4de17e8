"""The native wire as Python sees it: a thin class over the kernel's functions (csrc/askr_wire.h), for the event loop's thread."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from askr_http import media_types
from askr_http._kernel import ffi, lib
from askr_http.errors import ServerAnswer
from askr_http.front.spec import FrontSpec
from askr_http.limits import Limits
from askr_shm.pool import Lane

_EVENTS_AT_ONCE: Final = 64
_LOG_BYTES: Final = 256 * 1024
_CODEC_HEAD_BYTES: Final = 16 * 1024  # longer heads are rare, and Python's
_ANSWER_PREFIX: Final = "ASKR_ANSWER_"


class WireError(Exception):
    """Raised when the kernel refuses what it should take: a mistake in here, never a client's doing."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A connection whose next request is Python's.

    Attributes:
        number: The wire's name for it, to be given back or reported as closed, exactly once.
        fd: Its socket; the receiver's from now on.
        data: What was read from it and not consumed.
        head_since_mono_ns: When the head that is arriving began to; None: no head has begun.
    """

    number: int
    fd: int
    data: bytes
    head_since_mono_ns: int | None


@dataclass(frozen=True, slots=True)
class Events:
    """What has happened.

    Attributes:
        handed: Connections that were handed over.
        is_drained: No connection is left, after a drain.
        has_more: There may be more; if not, the eventfd tells of the next ones.
    """

    handed: list[HandedOver]
    is_drained: bool
    has_more: bool


@dataclass(frozen=True, slots=True)
class WireCounters:
    """What a wire has counted; askr_wire_counters says what each is."""

    accepted: int
    turned_away: int
    open: int
    away: int
    handed_over: int
    requests: int
    responses: tuple[int, ...]
    body_bytes: int
    timeouts: int
    accept_pauses: int
    held_bytes: int
    log_dropped: int
    turns: int
    spool_failures: int


class NativeWire:
    """A native wire: made, started, asked for events, drained, stopped.

    Args:
        spec: Of the front.
        limits: Of the front, as far as this process can afford them.

    Raises:
        OSError: The system refused the document root, memory, a descriptor or the thread.
    """

    def __init__(self, spec: FrontSpec, limits: Limits) -> None:
        number = spec.pool.front_number(spec.index, Lane.WIRE)
        # What the configuration points to must live until start has returned.
        self._kept: list[Any] = []
        config = ffi.new(
            "askr_wire_config *",
            {
                "site": {
                    "root": self._text(os.fsencode(spec.root).rstrip(b"/")),
                    "front_controller": self._text(os.fsencode(spec.front_controller)),
                    "runs_scripts": spec.scripts and not spec.is_worker_mode,
                    "follows_symlinks": spec.follow_symlinks,
                    "files": limits.open_files,
                    "small_bytes": limits.small_file_bytes,
                },
                "https": spec.https,
                "spool_dir": self._text(os.fsencode(spec.spool_dir or tempfile.gettempdir())),
                "listener_fds": self._keep(ffi.new("int[]", list(spec.listener_fds))),
                "listener_count": len(spec.listener_fds),
                "pool_fd": spec.pool.fd,
                "front": number,
                "front_eventfd": spec.pool.eventfds[number],
                "spool_fd": spec.pool.spool_fd,
                "wants_access_log": spec.access_log is not None,
                "head_bytes": min(limits.head_bytes, _CODEC_HEAD_BYTES),
                "target_bytes": limits.target_bytes,
                "body_bytes": limits.body_bytes,
                "body_memory_bytes": limits.body_memory_bytes,
                "response_memory_bytes": limits.response_memory_bytes,
                "buffer_bytes": limits.buffer_bytes,
                "connections": limits.connections,
                "connections_per_address": limits.connections_per_address,
                "header_read_timeout_ns": _nanoseconds(limits.header_read_timeout_s),
                "keepalive_timeout_ns": _nanoseconds(limits.keepalive_timeout_s),
                "body_read_timeout_ns": _nanoseconds(limits.body_read_timeout_s),
                "write_timeout_ns": _nanoseconds(limits.write_timeout_s),
                "linger_timeout_ns": _nanoseconds(limits.linger_timeout_s),
                "queue_timeout_ns": _nanoseconds(limits.queue_timeout_s),
            },
        )
        out, what = ffi.new("askr_wire **"), ffi.new("const char **")
        code = lib.askr_wire_create(config, out, what)
        if code == lib.ASKR_ESYS:
            step = ffi.string(what[0]).decode() if what[0] != ffi.NULL else "it"
            raise OSError(ffi.errno, f"the native wire cannot be made: {step}: {os.strerror(ffi.errno)}")
        _check(code, "make a wire")
        self._handle = out[0]
        self._events = ffi.new("askr_event[]", _EVENTS_AT_ONCE)
        self._counters = ffi.new("askr_wire_counters *")
        self._lines = ffi.new("uint8_t[]", _LOG_BYTES)
        try:
            self._set_answers()
            self._set_types()
        except WireError:
            lib.askr_wire_destroy(self._handle)
            raise
        self.is_closed = False
        self.eventfd: Final[int] = lib.askr_wire_eventfd(self._handle)

    def start(self) -> None:
        """Start the thread; from now on connections are accepted.

        Raises:
            OSError: The system refused a thread.
        """
        code = lib.askr_wire_start(self._handle)
        if code == lib.ASKR_ESYS:
            raise OSError(ffi.errno, f"the native wire cannot be started: {os.strerror(ffi.errno)}")
        _check(code, "start a wire")
        self._kept.clear()

    def take_events(self) -> Events:
        """Return what has happened, a batch of it."""
        handed: list[HandedOver] = []
        is_drained = False
        count = lib.askr_wire_events(self._handle, self._events, _EVENTS_AT_ONCE)
        for at in range(count):
            event = self._events[at]
            if event.kind == lib.ASKR_EVENT_CONNECTION:
                data = ffi.buffer(event.bytes, event.len)[:] if event.len else b""
                since = event.since_mono_ns if event.is_timed else None
                handed.append(HandedOver(event.connection, event.fd, data, since))
            elif event.kind == lib.ASKR_EVENT_DRAINED:
                is_drained = True
            if event.bytes != ffi.NULL:
                lib.askr_wire_free(event.bytes)
        return Events(handed, is_drained=is_drained, has_more=count == _EVENTS_AT_ONCE)

    def give_back(self, number: int, fd: int, data: bytes) -> None:
        """Let the wire go on with a connection: `fd` is the wire's from now on, `data` was read ahead of its next request.

        Raises:
            WireError: There is no memory for it; the descriptor stays the caller's.
        """
        _check(lib.askr_wire_give_back(self._handle, number, fd, data, len(data)), "give a connection back")

    def closed(self, number: int) -> None:
        """Take note that the receiver has closed a connection."""
        _check(lib.askr_wire_closed(self._handle, number), "report a closed connection")

    def take_log(self, write: Callable[[bytes], None]) -> None:
        """Give the lines of the access log that wait to `write`, complete ones."""
        while (size := lib.askr_wire_log(self._handle, self._lines, _LOG_BYTES)) > 0:
            write(ffi.buffer(self._lines, size)[:])

    def counted(self, names: Iterable[str]) -> list[int]:
        """Return some of what was counted; as often as there are events."""
        view = self._counters
        lib.askr_wire_counters_get(self._handle, view)
        return [getattr(view, name) for name in names]

    def counters(self) -> WireCounters:
        """Return what was counted."""
        view = self._counters
        lib.askr_wire_counters_get(self._handle, view)
        values = {field.name: getattr(view, field.name) for field in fields(WireCounters)}
        return WireCounters(**values | {"responses": tuple(view.responses)})

    def drain(self) -> None:
        """Accept no more, close what is idle, end keep-alive; an event says when no connection is left."""
        lib.askr_wire_drain(self._handle)

    def stop(self) -> int:
        """Cut what is left and end the thread; return how many connections were cut."""
        return int(lib.askr_wire_stop(self._handle))

    def close(self) -> None:
        """Let everything go; after `stop`, or without `start`. Nothing may be called afterwards."""
        self.is_closed = True
        lib.askr_wire_destroy(self._handle)
        self._handle = ffi.NULL

    def _keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def _text(self, value: bytes) -> Any:
        return self._keep(ffi.new("char[]", value))

    def _slice(self, value: bytes) -> dict[str, Any]:
        return {"at": self._keep(ffi.from_buffer(value)), "len": len(value)}

    def _set_answers(self) -> None:
        for name, number in ffi.typeof("askr_answer_id").relements.items():
            if name == f"{_ANSWER_PREFIX}COUNT":
                continue
            answer = ServerAnswer[name.removeprefix(_ANSWER_PREFIX)]
            row = {
                "status": answer.status,
                "phrase": self._slice(answer.phrase),
                "headers": self._slice(b"".join(b"%s: %s\r\n" % field for field in answer.headers)),
                "content": self._slice(answer.content),
            }
            _check(lib.askr_wire_set_answer(self._handle, number, ffi.new("askr_answer *", row)), f"set {name}")

    def _set_types(self) -> None:
        for extension in media_types.extensions():
            name = b"." + extension.encode()
            code = lib.askr_wire_add_type(
                self._handle,
                self._slice(extension.encode()),
                self._slice(media_types.content_type(name)),
                media_types.is_compressible(name),
            )
            _check(code, f"add the media type of .{extension}")
        _check(
            lib.askr_wire_set_default_type(self._handle, self._slice(media_types.content_type(b""))),
            "set the default type",
        )


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _check(code: int, what: str) -> None:
    if code < 0:
        message = f"the native wire's kernel refused to {what} ({code})"
        raise WireError(message)
