"""Messages at fixed moments, and the word between a receiving and a sending process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["READY", "open_loop", "ready"]

READY = "ready"


def ready() -> None:
    """Tell the parent process that whatever is sent from now on will be received."""
    print(READY, flush=True)


async def open_loop(
    send: Callable[[], Awaitable[object]], messages: int, per_second: float
) -> None:
    """Call ``send`` so often a second, each in a task of its own: a slow one delays no other."""
    loop = asyncio.get_running_loop()

    async def one() -> None:
        await send()

    async with asyncio.TaskGroup() as group:
        began = loop.time()
        for number in range(messages):
            await asyncio.sleep(max(0.0, began + number / per_second - loop.time()))
            group.create_task(one())
