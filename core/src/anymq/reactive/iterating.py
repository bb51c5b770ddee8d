"""From Observables to async iterables, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from reactivex import Observable

from anymq.errors import BufferFull, ConfigError
from anymq.reactive.home import home_now

__all__ = ["to_async_iterable"]

T = TypeVar("T")


async def to_async_iterable(source: Observable[T], *, max_buffered: int = 100) -> AsyncIterator[T]:
    """The items of an Observable; the subscription begins with the loop and ends with it.

    At most ``max_buffered`` items wait for the loop: then the source is held, or, where it cannot
    be held (a Subject, a timer, what is behind a scheduler), the iteration ends with BufferFull.
    Raises what the Observable ended with.
    """
    if max_buffered < 1:
        raise ConfigError(f"to_async_iterable: {max_buffered=} must be at least 1")
    inbox: _Inbox[T] = _Inbox(max_buffered)
    subscription = source.subscribe(inbox.on_next, inbox.on_error, inbox.on_completed)
    try:
        while await inbox.has_more():
            yield inbox.take()
    finally:
        subscription.dispose()


class _Inbox(Generic[T]):
    """Items that wait for the loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._news = asyncio.Event()
        self._room: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._is_complete = False

    def on_next(self, item: T) -> None:
        self._items.append(item)
        self._news.set()
        if len(self._items) < self._size:
            return
        home = home_now()
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()
        is_held = home is not None and home.hold(self._room)
        if not is_held and len(self._items) > self._size:
            self.on_error(BufferFull(f"{len(self._items)} items wait already (max_buffered)"))

    def on_error(self, error: Exception) -> None:
        self._failure = self._failure or error
        self._news.set()

    def on_completed(self) -> None:
        self._is_complete = True
        self._news.set()

    async def has_more(self) -> bool:
        """Wait for an item; False at the end. Raises what the source ended with."""
        while not self._items:
            if self._failure is not None:
                raise self._failure
            if self._is_complete:
                return False
            self._news.clear()
            await self._news.wait()
        return True

    def take(self) -> T:
        """The next item; who was held for want of room may go on."""
        item = self._items.popleft()
        if self._room is not None and len(self._items) < self._size:
            room, self._room = self._room, None
            room.set_result(None)
        return item
