"""Static files: opened below the document root, negotiated, and sent."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Final

from askr_http.errors import ServerAnswer
from askr_http.exchange import Exchange
from askr_http.front.tree import DocumentRoot, OpenFile
from askr_http.media_types import is_compressible
from askr_http.static_files import CODINGS, answer_for, is_fresh_sibling, wanted_coding

_READ_WHOLE_BYTES: Final = 64 * 1024  # a smaller body goes out with its head in one write


async def answer_static(exchange: Exchange, root: DocumentRoot, path: bytes) -> None:
    """Answer with the file `path` below `root`.

    Raises:
        ClientGone: The client left.
        OSError: The process is out of descriptors.
    """
    with contextlib.ExitStack() as stack:
        original = root.maybe_open_file(path)
        if original is None:  # it is there, or was: not readable for us
            refusal = ServerAnswer.FORBIDDEN
            await exchange.respond(refusal.status, refusal.headers, refusal.content)
            return
        stack.callback(original.close)
        siblings = _open_siblings(root, path, original, stack)
        coding = wanted_coding(exchange.request, list(siblings)) if siblings else None
        file = siblings[coding] if coding else original
        answer = answer_for(
            exchange.request,
            path,
            file.facts,
            coding=coding,
            has_siblings=bool(siblings),
            now_wall_s=int(time.time()),
        )
        span = answer.span
        if span is None:
            refusals = {412: b"", 416: ServerAnswer.RANGE_NOT_SATISFIABLE.content}
            content = refusals.get(answer.status, b"")
            headers = [*answer.headers, (b"Content-Type", b"text/plain; charset=utf-8")] if content else answer.headers
            await exchange.respond(answer.status, headers, content)
            return
        await exchange.start(answer.status, answer.headers, content_length=span.length)
        if exchange.request.method == b"GET" and span.length:
            if span.length <= _READ_WHOLE_BYTES:
                await exchange.send(os.pread(file.fd, span.length, span.offset))
            else:
                await exchange.send_file(file.fd, span.offset, span.length)
        await exchange.finish()


def _open_siblings(
    root: DocumentRoot, path: bytes, original: OpenFile, stack: contextlib.ExitStack
) -> dict[bytes, OpenFile]:
    """Return the compressed siblings that hold the same content, by coding."""
    found: dict[bytes, OpenFile] = {}
    if not is_compressible(path):
        return found
    for coding, suffix in CODINGS:
        sibling = root.maybe_open_file(path + suffix)
        if sibling is None:
            continue
        stack.callback(sibling.close)
        if is_fresh_sibling(original.facts, sibling.facts):
            found[coding] = sibling
    return found
