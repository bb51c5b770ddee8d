"""Appending to a stream alone, and reading alone what is there."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from anymq import App
from anymq.codecs.codec import Codec
from anymq.outcome import Confirmed
from anymq.streams.handle import StreamHandle
from benchmarks.body import BODY

__all__ = ["append_half", "read_half"]

BATCH = 500


async def append_half(url: str, messages: int, *, codec: Codec | None = None) -> float:
    """``append_many`` in batches of 500; records per second."""
    app = App(url, codec=codec)
    stream = app.stream("bench")
    async with app:
        began = perf_counter()
        await _fill(stream, messages)
        return messages / (perf_counter() - began)


async def read_half(url: str, messages: int, *, codec: Codec | None = None) -> float:
    """Read from the earliest record to the last, and handle each; records per second."""
    app = App(url, codec=codec)
    stream = app.stream("bench", dict[str, Any])
    handled = 0

    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled
        handled += 1

    async with app:
        await _fill(stream, messages)
        began = perf_counter()
        async for record in stream.read(follow=False):
            await handle(record.value)
        if handled != messages:
            raise RuntimeError(f"{handled} records were read, not {messages}")
        return messages / (perf_counter() - began)


async def _fill(stream: StreamHandle[Any], messages: int) -> None:
    for begin in range(0, messages, BATCH):
        results = await stream.append_many([BODY] * min(BATCH, messages - begin))
        if not all(isinstance(result, Confirmed) for result in results):
            raise RuntimeError(f"not appended: {results[0]}")
