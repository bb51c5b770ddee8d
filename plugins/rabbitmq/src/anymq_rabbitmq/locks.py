"""Locks between processes: an exclusive queue, which one connection has and which ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pamqp.common import FieldTable

from anymq.errors import Busy
from anymq.support.backoff import Backoff
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.scratch import scratch_channel

__all__ = ["locked", "locked_patiently"]


@asynccontextmanager
async def locked(link: Link, name: str, *, lease_s: float, timeout_s: float) -> AsyncIterator[None]:
    """Hold the lock ``name``, at most ``lease_s`` if this process hangs in it. Raises Busy.

    The server lets a second declaration of the same connection in: guard against that yourself.
    """
    expiry: FieldTable = {"x-expires": max(1, int(lease_s * 1000))}
    async with scratch_channel(link, f"locking {name!r}", timeout_s) as channel:
        await channel.queue_declare(name, exclusive=True, arguments=expiry)
    try:
        yield
    finally:
        async with scratch_channel(link, f"unlocking {name!r}", timeout_s) as channel:
            await channel.queue_delete(name)


@asynccontextmanager
async def locked_patiently(
    link: Link, name: str, *, lease_s: float, timeout_s: float
) -> AsyncIterator[None]:
    """As ``locked``, waiting up to ``timeout_s`` for somebody else to be done."""
    backoff = Backoff(first_s=0.01, max_s=0.2)
    deadline = asyncio.get_running_loop().time() + timeout_s
    async with AsyncExitStack() as stack:
        while True:
            try:
                await stack.enter_async_context(
                    locked(link, name, lease_s=lease_s, timeout_s=timeout_s)
                )
                break
            except Busy:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(backoff.next_s())
        yield
