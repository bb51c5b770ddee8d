"""No request body above a limit is read, whatever it says of its own length."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsstand.web.problems import problem

__all__ = ["BodyLimit"]


class _TooLarge(Exception):
    """Raised where the application reads, caught where it was called."""


class BodyLimit:
    """Answers 413 as soon as a body is, or says it is, larger than ``max_bytes``."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            # Two lengths: whoever stands before us may have believed the other one.
            await problem(HTTPStatus.BAD_REQUEST, "two lengths")(scope, receive, send)
            return
        declared = headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared) > self._max_bytes:
            await self._refuse(scope, receive, send)
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        read_bytes = 0
        is_started = False

        async def receive_counted() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > self._max_bytes:
                raise _TooLarge
            return message

        async def send_watched(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self._app(scope, receive_counted, send_watched)
        except _TooLarge:
            if is_started:
                raise
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        detail = f"at most {self._max_bytes} bytes"
        await problem(status, detail, headers={"Connection": "close"})(scope, receive, send)
