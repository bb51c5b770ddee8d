"""Waiting for an event, for so long at most."""

from __future__ import annotations

import asyncio

__all__ = ["is_set_within"]


async def is_set_within(event: asyncio.Event, within_s: float) -> bool:
    """Whether the event is set by then; returns at once when it is."""
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return False
