"""A newsstand as its users run it: a process of its own, on a free port, in an empty folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

__all__ = ["Site", "Watcher", "serving", "watching"]

START_S = 40
STOP_S = 20


@dataclass(slots=True)
class Site:
    """One that runs."""

    url: str
    process: Process
    client: httpx2.AsyncClient

    async def stop(self, number: int = signal.SIGINT) -> tuple[int, float, str]:
        """Exit code, seconds until the process was gone, and what it said on stderr."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        self.process.send_signal(number)
        code = await asyncio.wait_for(self.process.wait(), STOP_S)
        took_s = loop.time() - before
        said = await self.process.stderr.read() if self.process.stderr else b""
        return code, took_s, said.decode()


@asynccontextmanager
async def serving(folder: Path, *arguments: str) -> AsyncIterator[Site]:
    """Have one run; it is stopped at the end if it still does."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ANYMQ_", "NEWSSTAND"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "newsstand.cli", "serve", "--port", "0", *arguments),
        cwd=folder,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode()
        assert line.startswith("newsstand: http"), line or await _stderr(process)
        url = line.split()[1]
        async with httpx2.AsyncClient(base_url=url, timeout=STOP_S) as client:
            yield Site(url, process, client)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _stderr(process: Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode()


@dataclass(slots=True)
class Watcher:
    """What one client of the live feed has got."""

    names: list[str] = field(default_factory=list)
    arrivals: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    hello: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> dict[str, Any]:
        """The next arrival."""
        return await asyncio.wait_for(self.arrivals.get(), STOP_S)

    async def follow(self, client: httpx2.AsyncClient) -> None:
        """Read until the server ends it."""
        name = ""
        async with client.stream("GET", "/api/messenger/sse/add", timeout=None) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                    self.names.append(name)
                elif line.startswith("data: ") and name == "messenger":
                    self.arrivals.put_nowait(json.loads(line.removeprefix("data: ")))
                if name == "hello":
                    self.hello.set()


@asynccontextmanager
async def watching(client: httpx2.AsyncClient, count: int) -> AsyncIterator[list[Watcher]]:
    """So many clients of the live feed; at the end they must have been let go by the server."""
    watchers = [Watcher() for _ in range(count)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watcher.follow(client)) for watcher in watchers]
        async with asyncio.timeout(STOP_S):
            for watcher in watchers:
                await watcher.hello.wait()
        yield watchers
        async with asyncio.timeout(STOP_S):
            await asyncio.wait(tasks)
