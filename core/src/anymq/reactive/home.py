"""Home: who has pushed the item at hand, and can be asked to wait and to run something."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["Holds", "Home", "InGroup", "home_now", "pushing"]


class Home(Protocol):
    """What operators see of whoever pushes to them."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends with the subscription."""
        ...

    def hold(self, until: asyncio.Future[None]) -> bool:
        """Push nothing more until the future is done; False where that cannot be."""
        ...


_home: ContextVar[Home | None] = ContextVar("anymq-reactive-home", default=None)


def home_now() -> Home | None:
    """Who pushes now; None for a source that is not ours, or behind a scheduler."""
    return _home.get()


@contextmanager
def pushing(home: Home) -> Iterator[None]:
    """Let operators know who pushes."""
    token = _home.set(home)
    try:
        yield
    finally:
        _home.reset(token)


class Holds:
    """What somebody who pushes has been asked to wait for."""

    def __init__(self) -> None:
        self._waits: deque[asyncio.Future[None]] = deque()

    def add(self, until: asyncio.Future[None]) -> None:
        """Wait for this, too."""
        self._waits.append(until)

    async def wait(self) -> None:
        """Until there is nothing more to wait for."""
        while self._waits:
            # Shielded: the future is whoever's has no room, and not ours to cancel.
            await asyncio.shield(self._waits.popleft())


class InGroup:
    """A home for sources that are not ours: it runs things, and cannot hold anybody."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)

    def hold(self, until: asyncio.Future[None]) -> bool:
        return False
