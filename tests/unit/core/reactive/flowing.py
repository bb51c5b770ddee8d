"""What the tests of Observables share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

__all__ = ["drain", "twice"]


async def drain(items: AsyncIterator[Any], got: list[int]) -> None:
    """Add what comes to ``got``, until it ends or raises."""
    async for value in items:
        got.append(value)  # noqa: PERF401 - what came before an error counts, too


async def twice(value: int) -> int:
    """A second stage."""
    await asyncio.sleep(0)
    return 2 * value
