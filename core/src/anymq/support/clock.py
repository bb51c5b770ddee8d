"""Time as something that can be handed over, so that tests move it instead of waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "SystemClock", "TimerHandle"]


class TimerHandle(Protocol):
    """A pending call that can be taken back."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Wall-clock moments, monotonic durations, and waiting, from one source."""

    def time(self) -> float:
        """Seconds since the epoch: for moments that travel (``due_at``, ``expires_at``)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for leases and limits inside one process."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait that long by this clock."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], object], /) -> TimerHandle:
        """Call ``callback()`` on the loop after that long by this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    def call_later(self, delay_s: float, callback: Callable[[], object], /) -> TimerHandle:
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), callback)
