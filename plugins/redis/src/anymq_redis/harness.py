"""The conformance kit's harness: a server of its own, reached through a proxy where one runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from anymq.errors import AnyMQError
from anymq.testing.harness import Disruption
from anymq.testing.harnesses.command import CommandHarness
from anymq.urls import parse_url
from anymq_redis.condition import Condition
from anymq_redis.keys import ANONYMOUS_PREFIX, TopicKeys
from anymq_redis.link import Command, Link
from anymq_redis.options import RedisOptions

if TYPE_CHECKING:
    from anymq.plugins.registry import Registry

__all__ = ["RedisHarness"]

CALL_S = 5.0


class RedisHarness(CommandHarness):
    """``ANYMQ_TEST_REDIS_PROXY_URL``: where the connections can be broken; ``…_URL``: the server
    itself, for the harness's own looks; ``…_CONTROL``: the command that breaks.
    """

    backend: ClassVar[str] = "redis"
    further: ClassVar[frozenset[Disruption]] = frozenset({"delete", "revoke"})

    def __init__(self, url: str = "", *, registry: Registry | None = None) -> None:
        direct = os.environ.get("ANYMQ_TEST_REDIS_URL", "redis://localhost")
        super().__init__(url or os.environ.get("ANYMQ_TEST_REDIS_PROXY_URL", direct))
        self.registry = registry
        self._direct = os.environ.get("ANYMQ_TEST_REDIS_URL", self.url)
        self._user = ""

    async def disrupt(self, how: Disruption) -> None:
        if how == "revoke":
            off = ("ACL", "SETUSER", self._user, "off")
            await self._ask(off, ("CLIENT", "KILL", "USER", self._user))
            return
        if how == "heal" and self._user:
            await self._ask(("ACL", "DELUSER", self._user))
            self._user = ""
        await super().disrupt(how)

    async def delete(self, topic: str, group: str) -> None:
        await self._ask(
            ("DEL", *TopicKeys(topic).streams(1), TopicKeys(topic).group(group).retry())
        )

    async def revocable_url(self) -> str:
        self._user, password = f"kit-{uuid4().hex[:8]}", uuid4().hex
        await self._ask(("ACL", "SETUSER", self._user, "on", f">{password}", "~*", "&*", "+@all"))
        parsed = parse_url(self.url)
        query = "&".join(f"{key}={value}" for key, value in parsed.query.items())
        address = f"{parsed.host}:{parsed.port}/{parsed.path}" + (f"?{query}" if query else "")
        return f"{parsed.scheme}://{self._user}:{password}@{address}"

    async def inspect(self) -> Mapping[str, int]:
        """``consumers``: connections that read; ``anonymous``: private groups. Empty while down.

        Not the names in the groups: those outlive a killed consumer, and tell little of a living
        one, since a read that finds nothing leaves no trace there.
        """
        try:
            async with self._link() as link:
                clients = await link.call("CLIENT", "LIST", timeout_s=CALL_S)
                groups = await _groups(link)
        except AnyMQError:
            return {}
        return {
            "consumers": sum(b"-reader " in line for line in clients.splitlines()),
            "anonymous": sum(name.startswith(ANONYMOUS_PREFIX.encode()) for name in groups),
        }

    async def _ask(self, *commands: Command) -> list[Any]:
        async with self._link() as link:
            replies = await link.run(commands, timeout_s=CALL_S)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    @asynccontextmanager
    async def _link(self) -> AsyncIterator[Link]:
        """A connection of our own, straight to the server."""
        parsed = parse_url(self._direct)
        options = RedisOptions(
            host=parsed.host or "localhost",
            port=parsed.port,
            username=parsed.username,
            password=parsed.password,
            path=parsed.path,
            connect_timeout_s=CALL_S,
        )
        link = Link(options, Condition(options.address), name="kit-harness")
        try:
            yield link
        finally:
            await link.aclose()


async def _groups(link: Link) -> list[bytes]:
    """The groups of all main streams on the server."""
    streams: list[bytes] = []
    cursor = b"0"
    while True:
        scan = ("SCAN", cursor, "TYPE", "stream", "COUNT", 1000)
        cursor, keys = await link.call(*scan, timeout_s=CALL_S)
        streams += [key for key in keys if not key.endswith((b".retry", b".dead"))]
        if cursor == b"0":
            break
    asked: list[Command] = [("XINFO", "GROUPS", stream) for stream in streams]
    found = await link.run(asked, timeout_s=CALL_S)
    return [
        _fields(group)[b"name"]
        for groups in found
        for group in (groups if isinstance(groups, list) else ())
    ]


def _fields(reply: Sequence[Any]) -> dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
