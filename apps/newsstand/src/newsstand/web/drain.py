"""Requests that still run when the server stops get a little time, then a polite end."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsstand.serving.stop import Stop
from newsstand.web.problems import problem

__all__ = ["Drain"]

# Longer than any request of ours should need. A client that never sends the rest of its body would
# otherwise hold the server up: from Python 3.12.1 on for ever.
GRACE_S = 2.0


class Drain:
    """Ends requests ``grace_s`` after the stop, or at once when there is hurry, by 503."""

    def __init__(self, app: ASGIApp, *, stop: Stop, grace_s: float = GRACE_S) -> None:
        self._app = app
        self._grace_s = grace_s
        self._limits: set[asyncio.Timeout] = set()
        self._ends_at: float | None = None
        stop.on_set(lambda: self._end_in(grace_s))
        stop.on_hurry(lambda: self._end_in(0.0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_started = False

        async def send_watched(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        limit = asyncio.timeout_at(self._ends_at)
        self._limits.add(limit)
        try:
            async with limit:
                await self._app(scope, receive, send_watched)
        except TimeoutError:
            if not limit.expired():
                raise
            if not is_started:
                await self._refuse(scope, receive, send)
        finally:
            self._limits.discard(limit)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"Retry-After": "5", "Connection": "close"}
        detail = "the newsstand stops"
        await problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers)(scope, receive, send)

    def _end_in(self, delay_s: float) -> None:
        self._ends_at = asyncio.get_running_loop().time() + delay_s
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(self._ends_at)
