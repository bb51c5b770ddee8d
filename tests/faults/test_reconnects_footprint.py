"""After 24 reconnects there is what there was: connections, consumers, threads, tasks, files."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest

from anymq import App
from anymq.config import Settings
from tests.faults.proxied import Proxied, proxied
from tests.faults.server_counts import server_counts

pytestmark = [pytest.mark.long, pytest.mark.exclusive]
CUTS = 24
BURST = 20
RECOVER_S = 30.0
SETTLE_S = 20.0


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.server(name), id=name)
        for name in ("redis", "rabbitmq", "kafka")
    ],
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    """A server of this test's own."""
    with proxied(request.param, tmp_path_factory) as server:
        yield server


class Application:
    """One group's consumer, an anonymous one, and a publisher; they find what they published."""

    def __init__(self, url: str) -> None:
        self.namespace = f"cuts-{uuid4().hex[:8]}"
        self.app = App(settings=Settings(url=url, namespace=self.namespace))
        self.app.topic("news")
        self.seen: set[str] = set()
        self.news = asyncio.Event()
        self.app.subscriber("news", group="readers")(self._handle)
        self.app.subscriber("news")(self._ignore)

    async def _handle(self, word: str) -> None:
        self.seen.add(word)
        self.news.set()

    async def _ignore(self, word: str) -> None:
        """Being subscribed is all."""

    async def work(self) -> None:
        """Publish a burst, and wait until the group has all of it."""
        words = {uuid4().hex for _ in range(BURST)}
        async with asyncio.timeout(RECOVER_S):
            async with asyncio.TaskGroup() as group:
                for word in words:
                    group.create_task(self._publish(word))
            while not words <= self.seen:
                self.news.clear()
                await self.news.wait()

    async def _publish(self, word: str) -> None:
        await self.app.publish("news", word, timeout_s=RECOVER_S)


async def _footprint(server: Proxied, namespace: str) -> Mapping[str, int]:
    gc.collect()
    links = json.loads(await asyncio.to_thread(server.control, "stats"))["links"]
    on_server = await server_counts(server, f"{namespace}.news.readers")
    return {
        "links": links,
        **on_server,
        "tasks": len(asyncio.all_tasks()),
        "threads": len(os.listdir("/proc/self/task")),  # those of C libraries, too
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


@pytest.mark.timeout(600)
async def test_reconnects_leave_what_was_there(server: Proxied) -> None:
    """Counted by the server, by the proxy before it, and in this process."""
    application = Application(server.url)
    async with application.app:
        await _cut(server, application)  # what is made once, at the first fault, is made
        before = await _footprint(server, application.namespace)
        for _ in range(CUTS):
            await _cut(server, application)
        after = await _until_same(server, application, before)

    print(f"{server.backend}: {before} became {after}")
    assert after == before


async def _cut(server: Proxied, application: Application) -> None:
    await application.work()
    await asyncio.to_thread(server.control, "cut")
    await application.work()


async def _until_same(
    server: Proxied, application: Application, before: Mapping[str, int]
) -> Mapping[str, int]:
    """The counts once they are as before, or after SETTLE_S: a server ends what is dead late."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SETTLE_S
    while True:
        after = await _footprint(server, application.namespace)
        if after == before or loop.time() > until:
            return after
        await asyncio.sleep(0.2)  # between two looks
