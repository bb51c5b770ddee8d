"""Repeating what a server that is just starting cannot do yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from anymq.errors import BackendUnavailable
from anymq.support.backoff import Backoff

__all__ = ["patiently"]


async def patiently(work: Callable[[], Awaitable[None]], *, timeout_s: float) -> None:
    """Do ``work``, which is idempotent, again while the server is unavailable.

    A restarted server opens its port before all its queues are up. Raises, when the time is up,
    what the last attempt raised; ``work`` bounds each attempt by itself.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    backoff = Backoff(first_s=0.1, max_s=1.0)
    while True:
        try:
            return await work()
        except BackendUnavailable:
            pause_s = backoff.next_s()
            if loop.time() + pause_s >= deadline:
                raise
        await asyncio.sleep(pause_s)
