"""Only requests that were meant for this site, and changes only from its own pages."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from newsstand.web.problems import problem

__all__ = ["HostCheck"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HostCheck:
    """Refuses foreign Host headers (another name that points here) and foreign Origins.

    Without a sign-in anything that reaches us may change things: a page of another site that is
    open in the same browser must not.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            status, detail = refusal
            await problem(status, detail)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name(hosts[0]) not in self._hosts:
            return HTTPStatus.BAD_REQUEST, "this site does not have that name"
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != hosts[0].lower():
            return HTTPStatus.FORBIDDEN, "requests from other sites change nothing here"
        return None


def _name(host: str) -> str:
    """The name of ``name:port``, the address of ``[::1]:port``; what is neither is no name."""
    name, bracket, rest = host.lower().rpartition("]")
    if bracket:
        return f"{name}]" if rest == "" or rest.startswith(":") else ""
    return rest.partition(":")[0]
