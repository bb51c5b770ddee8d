"""Publishing alone, and consuming alone what is there: for backends that keep messages."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from time import perf_counter
from typing import Any

from anymq import App
from anymq.codecs.codec import Codec
from benchmarks.body import BODY

__all__ = ["consume_half", "on_sqlite", "publish_half"]

BATCH = 500
LIMIT_S = 300

Half = Callable[..., Any]


async def publish_half(url: str, messages: int, *, codec: Codec | None = None) -> float:
    """``publish_many`` in batches of 500, to a group that nobody reads; messages per second."""
    app = _app(url, codec)
    app.subscriber("bench", group="readers")(_ignore)
    await app.start(consume=False)
    try:
        began = perf_counter()
        await _fill(app, messages)
        return messages / (perf_counter() - began)
    finally:
        await app.close()


async def consume_half(
    url: str, messages: int, *, codec: Codec | None = None, prefetch: int = 2 * BATCH
) -> float:
    """Handle and settle so many that are there; from the start of consuming to the last one."""
    publisher = _app(url, codec)
    publisher.subscriber("bench", group="readers")(_ignore)
    await publisher.start(consume=False)
    await _fill(publisher, messages)
    await publisher.close()
    app = _app(url, codec)
    handled = 0
    done = asyncio.Event()

    @app.subscriber("bench", group="readers", prefetch=prefetch)
    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled
        handled += 1
        if handled == messages:
            done.set()

    began = perf_counter()
    async with app:
        async with asyncio.timeout(LIMIT_S):
            await done.wait()
        return messages / (perf_counter() - began)


async def on_sqlite(messages: int, *, half: Half, codec: Codec | None = None) -> float:
    """One half on a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        rate: float = await half(f"sqlite:///{folder}/ours.db", messages, codec=codec)
        return rate


def _app(url: str, codec: Codec | None) -> App:
    app = App(url, codec=codec)
    app.topic("bench")
    return app


async def _fill(app: App, messages: int) -> None:
    for begin in range(0, messages, BATCH):
        await app.publish_many("bench", [BODY] * min(BATCH, messages - begin))


async def _ignore(body: dict[str, Any]) -> None:
    """Nobody consumes here."""
