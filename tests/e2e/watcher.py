"""Clients of the live feed that follow the rules of EventSource."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

__all__ = ["WAIT_S", "Watcher", "watching"]

WAIT_S = 20
DEFAULT_RETRY_MS = 3000


@dataclass(slots=True)
class _Event:
    name: str = "message"
    data: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Watcher:
    """What one client of the live feed has got, over all its connections."""

    names: list[str] = field(default_factory=list)
    arrivals: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    hellos: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    last_id: str = ""
    retry_ms: int = DEFAULT_RETRY_MS

    async def next(self) -> dict[str, Any]:
        """The next arrival."""
        return await asyncio.wait_for(self.arrivals.get(), WAIT_S)

    async def connected(self) -> None:
        """Wait until it is told hello, once more than before."""
        await asyncio.wait_for(self.hellos.get(), WAIT_S)

    async def follow(self, client: httpx2.AsyncClient) -> None:
        """Read until the connection ends."""
        headers = {"Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        feed = client.stream("GET", "/api/messenger/sse/add", timeout=None, headers=headers)
        async with feed as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            event = _Event()
            async for line in response.aiter_lines():
                if line:
                    self._take(event, line)
                else:
                    self._dispatch(event)
                    event = _Event()

    async def keep_following(self, client: httpx2.AsyncClient) -> None:
        """The same, and reconnect after the time that the server asked for, for ever."""
        while True:
            try:
                await self.follow(client)
            except httpx2.TransportError:
                pass
            await asyncio.sleep(self.retry_ms / 1000)

    def _take(self, event: _Event, line: str) -> None:
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            event.name = value
        elif key == "data":
            event.data.append(value)
        elif key == "id" and "\0" not in value:
            self.last_id = value
        elif key == "retry" and value.isdigit():
            self.retry_ms = int(value)

    def _dispatch(self, event: _Event) -> None:
        if not event.data:
            return
        self.names.append(event.name)
        if event.name == "messenger":
            self.arrivals.put_nowait(json.loads("\n".join(event.data)))
        elif event.name == "hello":
            self.hellos.put_nowait(None)


@asynccontextmanager
async def watching(
    client: httpx2.AsyncClient, count: int, *, is_reconnecting: bool = False
) -> AsyncIterator[list[Watcher]]:
    """So many clients of the live feed.

    In the end the server must have let them go; those that reconnect are ended by us.
    """
    watchers = [Watcher() for _ in range(count)]
    async with asyncio.TaskGroup() as group:
        follow = [one.keep_following if is_reconnecting else one.follow for one in watchers]
        tasks = [group.create_task(one(client)) for one in follow]
        for watcher in watchers:
            await watcher.connected()
        yield watchers
        if is_reconnecting:
            for task in tasks:
                task.cancel()
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait(tasks)
