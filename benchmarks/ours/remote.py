"""AnyMQ on a server: publish, consume what is there, and the time from publish to handler.

Each is run in a process of its own, by benchmarks.child. The topic has one group, ``readers``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from anymq import App
from anymq.config import Settings
from anymq.topology import TopologyMode
from benchmarks.body import BODY, PlainJson
from benchmarks.clock import Stopwatch, percentiles, stamped, waited_ms
from benchmarks.pace import open_loop, ready

__all__ = [
    "consume",
    "fill",
    "prepare",
    "publish_many",
    "publish_window",
    "receive_paced",
    "send_paced",
]

WINDOW = 256
FILL = 500
PREFETCH = 1000
LIMIT_S = 60


def _app(url: str, topic: str, *, topology: str, json: bool) -> App:
    settings = Settings(url=url, topology=TopologyMode(topology))
    app = App(settings=settings, codec=PlainJson() if json else None)
    app.topic(topic)
    return app


@asynccontextmanager
async def _publishing(
    url: str, topic: str, *, topology: str, json: bool = False
) -> AsyncIterator[App]:
    app = _app(url, topic, topology=topology, json=json)
    app.subscriber(topic, group="readers")(_ignore)
    await app.start(consume=False)
    try:
        yield app
    finally:
        await app.close()


async def _ignore(body: dict[str, Any]) -> None:
    """Nobody consumes here."""


async def prepare(url: str, topic: str) -> None:
    """Have what ours keeps beside all topics: here every topic is declared by the raw client."""
    async with _publishing(url, "bench-beside", topology="manage"):
        pass


async def fill(url: str, topic: str, messages: int, topology: str = "manage") -> None:
    """Publish so many, for whoever is to consume them."""
    async with _publishing(url, topic, topology=topology) as app:
        await _publish_batches(app, topic, messages, FILL)


async def publish_many(
    url: str,
    topic: str,
    messages: int,
    *,
    batch: int,
    topology: str = "manage",
    json: bool = False,
) -> dict[str, float]:
    """``publish_many`` in batches, each awaited."""
    async with _publishing(url, topic, topology=topology, json=json) as app:
        watch = Stopwatch()
        await _publish_batches(app, topic, messages, batch)
        return watch.result(messages)


async def _publish_batches(app: App, topic: str, messages: int, batch: int) -> None:
    for begin in range(0, messages, batch):
        results = await app.publish_many(topic, [BODY] * min(batch, messages - begin))
        if bad := [result for result in results if type(result).__name__ != "Confirmed"]:
            raise RuntimeError(f"not confirmed: {bad[0]}")


async def publish_window(
    url: str, topic: str, messages: int, *, topology: str = "manage", json: bool = False
) -> dict[str, float]:
    """256 workers over one iterator, each awaiting one publish at a time."""
    async with _publishing(url, topic, topology=topology, json=json) as app:
        numbers = iter(range(messages))

        async def work() -> None:
            for _ in numbers:
                await app.publish(topic, BODY)

        watch = Stopwatch()
        async with asyncio.TaskGroup() as group:
            for _ in range(WINDOW):
                group.create_task(work())
        return watch.result(messages)


async def consume(
    url: str, topic: str, messages: int, *, topology: str = "manage", json: bool = False
) -> dict[str, float]:
    """An async handler, settled after it; from its first call to its last."""
    app = _app(url, topic, topology=topology, json=json)
    handled = 0
    watch: Stopwatch | None = None
    result: dict[str, float] = {}
    done = asyncio.Event()

    @app.subscriber(topic, group="readers", prefetch=PREFETCH)
    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled, watch, result
        watch = watch or Stopwatch()
        handled += 1
        if handled == messages:
            result = watch.result(messages)
            done.set()

    async with app:
        await _wait(done, lambda: f"{handled} of {messages} came")
    return result


async def send_paced(
    url: str, topic: str, messages: int, per_second: float, topology: str = "manage"
) -> None:
    """A publish for each moment, whether or not the last was confirmed."""
    async with _publishing(url, topic, topology=topology) as app:

        async def send() -> None:
            await app.publish(topic, stamped())

        await open_loop(send, messages, per_second)


async def receive_paced(
    url: str, topic: str, messages: int, topology: str = "manage"
) -> dict[str, float]:
    """How long each took to its handler."""
    app = _app(url, topic, topology=topology, json=False)
    waits: list[float] = []
    done = asyncio.Event()

    @app.subscriber(topic, group="readers")
    async def handle(body: dict[str, Any]) -> None:
        waits.append(waited_ms(body))
        if len(waits) == messages:
            done.set()

    async with app:
        ready()
        await _wait(done, lambda: f"{len(waits)} of {messages} came")
    return percentiles(waits)


async def _wait(done: asyncio.Event, told: Callable[[], str]) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            await done.wait()
    except TimeoutError:
        raise TimeoutError(f"after {LIMIT_S} s {told()}") from None
