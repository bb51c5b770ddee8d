"""Waiting for what no event tells of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["LIMIT_S", "until"]

LIMIT_S = 10.0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so. Raises TimeoutError after ten seconds."""
    async with asyncio.timeout(LIMIT_S):
        while not await condition():  # noqa: ASYNC110 - any condition, so there is no event for it
            await asyncio.sleep(0.01)
