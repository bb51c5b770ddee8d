"""FakeClock: time that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

__all__ = ["FakeClock", "FakeTimer"]

SETTLE_TURNS = 20
"""Turns of the loop given to everybody whose time has come, before time moves on."""


class FakeTimer:
    """A pending call of a FakeClock."""

    __slots__ = ("callback", "is_cancelled", "when")

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        """Take the call back. Idempotent."""
        self.is_cancelled = True


class FakeClock:
    """A Clock for one event loop; ``advance`` runs everything that becomes due, in order."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._passed = 0.0
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._sequence = count()

    def time(self) -> float:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, delay_s: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay_s, lambda: _finish(done))
        try:
            await done
        finally:
            timer.cancel()

    def call_later(self, delay_s: float, callback: Callable[[], object], /) -> FakeTimer:
        timer = FakeTimer(self._passed + max(0.0, delay_s), callback)
        heapq.heappush(self._timers, (timer.when, next(self._sequence), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Move time forward, stopping at each moment for which something waits."""
        until = self._passed + seconds
        await self._turns()
        while self._timers and self._timers[0][0] <= until:
            when, _, timer = heapq.heappop(self._timers)
            if timer.is_cancelled:
                continue
            self._passed = max(self._passed, when)
            timer.callback()
            await self._turns()
        self._passed = until
        await self._turns()

    async def _turns(self) -> None:
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
