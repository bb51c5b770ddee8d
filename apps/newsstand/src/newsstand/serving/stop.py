"""The one event that ends everything of this process that would otherwise go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Stop"]


class Stop:
    """Set once, before the server begins to shut down, so that live feeds end and do not hold it.

    What was told by ``on_set`` and ``on_hurry`` is called in the same turn of the loop, in the
    order of telling; it must not raise.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._on_set: list[Callable[[], None]] = []
        self._on_hurry: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def on_set(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when it is set."""
        self._on_set.append(call)

    def on_hurry(self, call: Callable[[], None]) -> None:
        """Have ``call`` called each time somebody asks for more hurry."""
        self._on_hurry.append(call)

    def set(self) -> None:
        """Idempotent."""
        if self.is_set:
            return
        self._event.set()
        for call in self._on_set:
            call()

    def hurry(self) -> None:
        """Set it, and give what still runs no more time."""
        self.set()
        for call in self._on_hurry:
            call()

    async def wait(self) -> None:
        """Until it is set."""
        await self._event.wait()
