"""The bare loop in one process: a bounded asyncio.Queue, the module json on both sides.

The same body and handler as ours; there is nothing to acknowledge and nothing that could fail.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

from benchmarks.body import BODY, dumps, loads

__all__ = ["queue_loop"]


async def queue_loop(messages: int) -> float:
    """Put and get so many messages; the rate."""
    queue: asyncio.Queue[bytes] = asyncio.Queue(1000)
    handled = 0

    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled
        handled += 1

    async def consume() -> None:
        for _ in range(messages):
            await handle(loads(await queue.get()))

    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        group.create_task(consume())
        for _ in range(messages):
            await queue.put(dumps(BODY).encode())
    return messages / (perf_counter() - began)
