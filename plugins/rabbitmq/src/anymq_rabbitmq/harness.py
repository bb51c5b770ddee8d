"""The conformance kit's harness: a server of its own, reached through a proxy where one runs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

from aiormq.connection import Connection
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity

from anymq.errors import UnsupportedError
from anymq.testing.harness import Disruption, Timings
from anymq.testing.harnesses.command import CommandHarness
from anymq.urls import parse_url
from anymq_rabbitmq.names import group_queue

if TYPE_CHECKING:
    from anymq.plugins.registry import Registry

__all__ = ["RabbitMQHarness"]

_CALL_S = 10.0
_KIT = "kit."
"""How the names of what the kit makes begin."""


class RabbitMQHarness(CommandHarness):
    """``ANYMQ_TEST_RABBITMQ_PROXY_URL``: where the connections can be broken; ``…_URL``: the server
    itself; ``…_MANAGEMENT_URL``: its HTTP API, which lists what is there; ``…_CONTROL``: the
    command that breaks it.
    """

    backend: ClassVar[str] = "rabbitmq"
    further: ClassVar[frozenset[Disruption]] = frozenset({"delete", "revoke"})
    timings: ClassVar[Timings] = Timings(
        scale=2.0, quiet_s=0.1, late_s=1.0, detect_s=18.0, resume_s=8.0
    )
    counts_returns: ClassVar[bool] = True
    _made: ClassVar[set[str]] = set()
    """The runs whose queues and exchanges may still be on the server."""

    def __init__(self, url: str = "", *, registry: Registry | None = None) -> None:
        direct = os.environ.get("ANYMQ_TEST_RABBITMQ_URL", "amqp://localhost")
        super().__init__(url or os.environ.get("ANYMQ_TEST_RABBITMQ_PROXY_URL", direct))
        self.registry = registry
        self._direct = os.environ.get("ANYMQ_TEST_RABBITMQ_URL", self.url)
        self._management = os.environ.get("ANYMQ_TEST_RABBITMQ_MANAGEMENT_URL", "")
        self._user = ""
        self._run = ""

    def make_destination(self, name: str) -> str:
        self._run = _run_of(name)
        self._made.add(self._run)
        return name

    async def options(self) -> dict[str, Any]:
        await self._remove(self._made - {self._run})
        return await super().options()

    async def cleanup(self) -> None:
        await self._remove(set(self._made))

    async def disrupt(self, how: Disruption) -> None:
        if how == "revoke":
            await self._ask("DELETE", f"users/{self._user}")
            await self._close_connections_of(self._user)
            return
        if how == "heal" and self._user:
            self._user = ""
        await super().disrupt(how)

    async def delete(self, topic: str, group: str) -> None:
        await self._ask("DELETE", f"queues/{self._vhost}/{_quoted(group_queue(topic, group))}")

    async def revocable_url(self) -> str:
        self._user, password = f"kit-{uuid4().hex[:8]}", uuid4().hex
        await self._ask("PUT", f"users/{self._user}", {"password": password, "tags": ""})
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        await self._ask("PUT", f"permissions/{self._vhost}/{self._user}", rights)
        parsed = parse_url(self.url)
        query = "&".join(f"{key}={value}" for key, value in parsed.query.items())
        address = f"{parsed.host}:{parsed.port}/{parsed.path}" + (f"?{query}" if query else "")
        return f"{parsed.scheme}://{self._user}:{password}@{address}"

    async def inspect(self) -> Mapping[str, int]:
        """``consumers``: those of groups, and ``anonymous`` queues, which have one each.

        What a group set aside has a consumer of its own, which is not counted.

        Empty while the server is down, and where its HTTP API is not known.
        """
        if not self._management:
            return {}
        try:
            queues = await self._queues()
            names = [queue["name"] for queue in queues if not queue["exclusive"]]
            shared = [name for name in names if not name.endswith(".retry")]
            private = [queue for queue in queues if ".anonymous-" in queue["name"]]
            count = await self._consumers([name for name in shared if name.startswith(_KIT)])
        except (OSError, AMQPError, RuntimeError):
            return {}
        return {"consumers": count + len(private), "anonymous": len(private)}

    async def _queues(self) -> list[dict[str, Any]]:
        asked = "disable_stats=true&enable_queue_totals=true&columns=name,exclusive"
        found: list[dict[str, Any]] = await self._ask("GET", f"queues/{self._vhost}?{asked}")
        return found

    async def _consumers(self, queues: list[str]) -> int:
        """How many consumers some queues have: the HTTP API is seconds late, AMQP is not."""
        total = 0
        connection = Connection(self._direct)
        async with asyncio.timeout(_CALL_S):
            await connection.connect()
            try:
                channel = await connection.channel()
                for queue in queues:
                    try:
                        answer = await channel.queue_declare(queue, passive=True)
                    except ChannelNotFoundEntity:
                        channel = await connection.channel()
                        continue
                    total += answer.consumer_count or 0
            finally:
                await connection.close()
        return total

    async def _remove(self, runs: set[str]) -> None:
        """Delete the queues and exchanges of some runs."""
        if not runs or not self._management:
            return
        for kind in ("queues", "exchanges"):
            for item in await self._ask(
                "GET", f"{kind}/{self._vhost}?columns=name&disable_stats=true"
            ):
                if _run_of(item["name"]) in runs:
                    await self._ask("DELETE", f"{kind}/{self._vhost}/{_quoted(item['name'])}")
        self._made.difference_update(runs)

    async def _close_connections_of(self, user: str) -> None:
        for item in await self._ask("GET", f"connections/username/{user}?columns=name"):
            await self._ask("DELETE", f"connections/{_quoted(item['name'])}")

    @property
    def _vhost(self) -> str:
        return _quoted(parse_url(self.url).path or "/")

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        if not self._management:
            raise UnsupportedError("ANYMQ_TEST_RABBITMQ_MANAGEMENT_URL is not set")
        return await _request(self._management, method, path, body)


async def _request(base: str, method: str, path: str, body: object) -> Any:
    """One call of the HTTP API, by hand: it leaves no thread and no pool. 404 is passed over."""
    parts = urlsplit(base)
    login = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}"
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} /api/{path} HTTP/1.0\r\nHost: {parts.hostname}\r\n"
        f"Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    async with asyncio.timeout(_CALL_S):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(head.encode() + content)
            answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
    status_line, _, rest = answer.partition(b"\r\n")
    status = int(status_line.split()[1])
    if status >= 400 and status != 404:
        raise RuntimeError(f"RabbitMQ's HTTP API answered {status} to {method} {path}")
    text = rest.partition(b"\r\n\r\n")[2]
    return json.loads(text) if text and status < 300 else []


def _run_of(name: str) -> str:
    """The run in a name that the kit made; "" for any other."""
    return name.split(".")[1] if name.startswith(_KIT) and name.count(".") > 1 else ""


def _quoted(name: str) -> str:
    return quote(name, safe="")
