"""Time limits for closing: whoever closes goes on closing, whatever one step does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["within"]


@asynccontextmanager
async def within(limit_s: float) -> AsyncIterator[None]:
    """Run a step of a shutdown, whose errors and lateness do not stop the next step.

    Cancellation from outside is passed on.
    """
    try:
        async with asyncio.timeout(limit_s):
            yield
    except Exception:  # noqa: BLE001, S110 - a broken backend must not keep us from closing the rest
        pass
