"""The one event that ends everything of this process that would otherwise go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Stop"]


class Stop:
    """Set once, before the server begins to shut down, so that live feeds end and do not hold it.

    What was told by ``on_set`` is called in the same turn of the loop, in the order of telling.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._calls: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def on_set(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when it is set: at once if it is already. It must not raise."""
        self._calls.append(call)
        if self.is_set:
            call()

    def set(self) -> None:
        """Idempotent."""
        if self.is_set:
            return
        self._event.set()
        for call in self._calls:
            call()

    async def wait(self) -> None:
        """Until it is set."""
        await self._event.wait()
