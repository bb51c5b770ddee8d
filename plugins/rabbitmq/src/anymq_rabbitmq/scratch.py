"""A channel for one piece of work, closed whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiormq.channel import Channel

from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.link import Link

__all__ = ["scratch_channel"]


@asynccontextmanager
async def scratch_channel(link: Link, doing: str, timeout_s: float) -> AsyncIterator[Channel]:
    """Open a channel for at most ``timeout_s`` of work; client errors become AnyMQ's.

    A refusal by the server closes the channel it came on, which is why such work has its own.
    """
    channel = await link.channel(timeout_s=timeout_s)
    try:
        with translated(doing):
            async with asyncio.timeout(timeout_s):
                yield channel
    finally:
        if not channel.is_closed:
            with translated("closing a channel"):
                async with asyncio.timeout(timeout_s):
                    await channel.close()
