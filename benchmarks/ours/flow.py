"""Publish and consume at the same time, in one process, every message settled."""

from __future__ import annotations

import asyncio
from itertools import count
from time import perf_counter
from typing import Any

from anymq import App
from anymq.codecs.codec import Codec
from benchmarks.body import BODY

__all__ = ["publish_many_flow", "window_flow"]

BATCH = 500
WINDOW = 256
PREFETCH = 1000
_spaces = count()


async def publish_many_flow(messages: int, *, codec: Codec | None = None) -> float:
    """``publish_many`` in batches of 500; the rate from the first publish to the last handler."""

    async def publish(app: App) -> None:
        for begin in range(0, messages, BATCH):
            await app.publish_many("bench", [BODY] * min(BATCH, messages - begin))

    return await _flow(messages, codec, publish)


async def window_flow(messages: int, *, codec: Codec | None = None) -> float:
    """Single awaited publishes, 256 at a time; the rate likewise."""

    async def publish(app: App) -> None:
        numbers = iter(range(messages))

        async def work() -> None:
            for _ in numbers:
                await app.publish("bench", BODY)

        async with asyncio.TaskGroup() as group:
            for _ in range(WINDOW):
                group.create_task(work())

    return await _flow(messages, codec, publish)


async def _flow(messages: int, codec: Codec | None, publish: Any) -> float:
    app = App(f"memory://bench-{next(_spaces)}", codec=codec)
    app.topic("bench")
    handled = 0
    done = asyncio.Event()

    @app.subscriber("bench", group="readers", prefetch=PREFETCH)
    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled
        handled += 1
        if handled == messages:
            done.set()

    async with app:
        began = perf_counter()
        await publish(app)
        async with asyncio.timeout(120):
            await done.wait()
        return messages / (perf_counter() - began)
