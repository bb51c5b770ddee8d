"""A time in which the backend is down, ended whatever happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anymq.testing.bench import Bench

__all__ = ["Outage", "outage"]


class Outage:
    """Ends before its block does, if asked to."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._is_over = False

    async def end(self) -> None:
        """Bring the backend back. Idempotent."""
        if not self._is_over:
            self._is_over = True
            await self._bench.harness.set_outage(None)


@asynccontextmanager
async def outage(bench: Bench, reason: str = "down, says the kit") -> AsyncIterator[Outage]:
    """While the block runs, ``open`` and ``health`` of the backend fail."""
    await bench.harness.set_outage(reason)
    down = Outage(bench)
    try:
        yield down
    finally:
        await down.end()
