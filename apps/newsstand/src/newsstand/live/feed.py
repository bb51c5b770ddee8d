"""A feed: what is announced in this process, handed to everybody who watches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from newsstand.errors import FeedFull

__all__ = ["Feed", "FeedEvent", "FeedEventName"]

# Notices that repeat within so many are shown once: a backend may deliver one twice.
_REMEMBERED = 4096

FeedEventName = Literal["hello", "messenger", "lagged", "bye"]


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event for one watcher. After ``lagged`` and ``bye`` nothing more comes."""

    name: FeedEventName
    data: str


@dataclass(slots=True, eq=False)
class _Watcher:
    waiting: deque[str] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    is_lagged: bool = False


class Feed:
    """Announcing never waits. Each watcher has a bounded queue of its own; one who falls too far
    behind is told so and let go, and disturbs nobody. Everything happens on one event loop.
    """

    def __init__(self, *, capacity: int = 100, max_watchers: int = 500) -> None:
        self._capacity = capacity
        self._max_watchers = max_watchers
        self._watchers: set[_Watcher] = set()
        self._seen: dict[str, None] = {}
        self._is_ended = False

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return len(self._watchers)

    def announce(self, id: str, data: str) -> None:  # noqa: A002 - the message's word
        """Hand ``data`` to everybody who watches, once per ``id``."""
        if id in self._seen:
            return
        self._seen[id] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        for watcher in self._watchers:
            self._give(watcher, data)

    def end(self) -> None:
        """Say goodbye to everybody, now and from now on. Idempotent."""
        self._is_ended = True
        for watcher in self._watchers:
            watcher.woken.set()

    def check_room(self) -> None:
        """Raises FeedFull when nobody else may watch now."""
        if len(self._watchers) >= self._max_watchers:
            raise FeedFull(f"{self._max_watchers} watch already")

    async def watch(self) -> AsyncIterator[FeedEvent]:
        """``hello``, then what is announced from then on, until ``lagged`` or ``bye``."""
        with self._registered() as watcher:
            yield FeedEvent("hello", "{}")
            while True:
                await watcher.woken.wait()
                watcher.woken.clear()
                while watcher.waiting:
                    yield FeedEvent("messenger", watcher.waiting.popleft())
                if watcher.is_lagged:
                    yield FeedEvent("lagged", "{}")
                    return
                if self._is_ended:
                    yield FeedEvent("bye", "{}")
                    return

    def _give(self, watcher: _Watcher, data: str) -> None:
        if len(watcher.waiting) >= self._capacity:
            watcher.is_lagged = True
        if not watcher.is_lagged:
            watcher.waiting.append(data)
        watcher.woken.set()

    @contextmanager
    def _registered(self) -> Iterator[_Watcher]:
        watcher = _Watcher()
        if self._is_ended:
            watcher.woken.set()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
