"""What a front does with an exchange: route it, and let the route answer."""

from __future__ import annotations

import errno
import os
from typing import Final

from askr_http.errors import ServerAnswer
from askr_http.exchange import Exchange
from askr_http.front.origin import PhpOrigin
from askr_http.front.spec import FrontSpec
from askr_http.front.static import answer_static
from askr_http.front.tree import DocumentRoot
from askr_http.routing import Redirect, Refuse, RoutePolicy, Script, StaticFile, route

_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


class FrontHandler:
    """The handler of a front.

    Args:
        spec: Of the front.
        root: The document root.
        origin: PHP.
    """

    def __init__(self, spec: FrontSpec, root: DocumentRoot, origin: PhpOrigin) -> None:
        self._root: Final = root
        self._origin: Final = origin
        self._policy: Final = RoutePolicy(
            root=os.fsencode(spec.root).rstrip(b"/"),
            front_controller=os.fsencode(spec.front_controller),
            runs_scripts=spec.scripts and not spec.is_worker_mode,
        )

    async def __call__(self, exchange: Exchange) -> None:
        """Answer.

        Raises:
            ClientGone: The client left.
            RequestRefused: The body cannot be taken.
        """
        try:
            found = route(exchange.request, self._policy, self._root.kind)
            if isinstance(found, StaticFile):
                await answer_static(exchange, self._root, found.path)
                return
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE, errno.ENOMEM} or exchange.is_started:
                raise
            found = Refuse(ServerAnswer.BUSY)
        if isinstance(found, Script):
            await self._origin.answer(exchange, found)
        elif isinstance(found, Redirect):
            await exchange.respond(found.status, [(b"Location", found.location)])
        elif isinstance(found, Refuse):
            answer = found.answer
            headers = [*answer.headers, (b"Allow", found.allow)] if found.allow else answer.headers
            await exchange.respond(answer.status, headers, answer.content, reason=answer.phrase)
        else:
            await exchange.respond(200, [(b"Allow", _METHODS)])
