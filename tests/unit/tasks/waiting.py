"""Waiting for what nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["until"]


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """What it gives, once that is something."""
    async with asyncio.timeout(5):
        while not (found := await look()):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.002)
    return found
