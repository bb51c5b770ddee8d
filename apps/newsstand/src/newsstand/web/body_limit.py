"""No request body above a limit is read, whatever it says of its own length."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsstand.web.problems import problem

__all__ = ["BodyLimit"]

_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
# What was not read cannot be skipped either: this connection is of no further use.
_CLOSE = {"Connection": "close"}


class BodyLimit:
    """Answers 413 as soon as a body is, or says it is, larger than ``max_bytes``."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._detail = f"at most {max_bytes} bytes"

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
            await problem(_TOO_LARGE, self._detail, headers=_CLOSE)(scope, receive, send)
            return
        await self._app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        """Raises HTTPException where the application reads; it answers that as any other."""
        read_bytes = 0

        async def receive_counted() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > self._max_bytes:
                raise HTTPException(_TOO_LARGE, self._detail, _CLOSE)
            return message

        return receive_counted
