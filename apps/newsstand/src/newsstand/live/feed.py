"""A feed: what is announced in this process, handed to everybody who watches."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from newsstand.errors import FeedFull
from newsstand.live.events import FeedEvent, History, Notice
from newsstand.live.shelf import Shelf

__all__ = ["Feed"]

_GIVEN = 10_000


@dataclass(slots=True, eq=False)
class _Watcher:
    waiting: deque[Notice] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    is_lagged: bool = False
    given: dict[str, None] = field(default_factory=dict)
    """What it got out of history lately; it may yet be announced."""


class Feed:
    """Announcing never waits. Each watcher has a bounded queue of its own; one who falls too far
    behind is told so and let go, and disturbs nobody. Everything happens on one event loop.
    """

    def __init__(
        self, event: str, *, capacity: int = 100, max_watchers: int = 500, kept: int = 2000
    ) -> None:
        """``event`` is what each announcement is called for those who watch."""
        self._event = event
        self._capacity = capacity
        self._max_watchers = max_watchers
        self._watchers: set[_Watcher] = set()
        self._shelf = Shelf(kept)
        self._is_ended = False

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return len(self._watchers)

    def begin(self, position: str) -> None:
        """From here on everything will be announced; what was remembered before stays so."""
        self._shelf.begin(position)

    def remember(self, notice: Notice) -> None:
        """Keep what happened before anybody watched, for those who come back."""
        self._shelf.put(notice)

    def announce(self, notice: Notice) -> None:
        """Hand it to everybody who watches, once per ``id``."""
        if not self._shelf.put(notice):
            return
        for watcher in self._watchers:
            self._give(watcher, notice)

    def end(self) -> None:
        """Say goodbye to everybody, now and from now on. Idempotent."""
        self._is_ended = True
        for watcher in self._watchers:
            watcher.woken.set()

    def check_room(self) -> None:
        """Raises FeedFull when nobody else may watch now."""
        if len(self._watchers) >= self._max_watchers:
            raise FeedFull(f"{self._max_watchers} watch already")

    async def watch(
        self, after: str | None = None, history: History | None = None
    ) -> AsyncIterator[FeedEvent]:
        """``hello``, then what is announced from then on, until ``lagged`` or ``bye``.

        ``after`` a position: first what came behind it, out of memory or from ``history``; ``gap``
        tells how much is not to be had any more.
        """
        with self._registered() as watcher:
            missed = None if after is None else self._shelf.behind(after)
            # A watcher that comes back stays where it was until it has got something.
            yield FeedEvent("hello", position=self._shelf.position if after is None else None)
            if after is not None and missed is None and history is not None:
                async for event in self._from_history(after, history, watcher):
                    yield event
            for notice in missed or ():
                yield self._told(notice)
            async for event in self._live(watcher):
                yield event

    async def _live(self, watcher: _Watcher) -> AsyncIterator[FeedEvent]:
        while True:
            while watcher.waiting:
                notice = watcher.waiting.popleft()
                if notice.id not in watcher.given:
                    yield self._told(notice)
            if watcher.is_lagged:
                yield FeedEvent("lagged")
                return
            if self._is_ended:
                yield FeedEvent("bye")
                return
            watcher.woken.clear()
            await watcher.woken.wait()

    async def _from_history(
        self, after: str, history: History, watcher: _Watcher
    ) -> AsyncIterator[FeedEvent]:
        """What came behind ``after``, page by page. What is announced meanwhile waits."""
        given = watcher.given
        while not self._is_ended and not watcher.is_lagged:
            page = await history(after)
            if page is None:
                watcher.is_lagged = True  # to come back, from where it was, is all that is left
                watcher.waiting.clear()
                return
            if page.lost != 0:
                place = self._shelf.position if page.lost is None else None
                yield FeedEvent("gap", json.dumps({"lost": page.lost}), place)
            for notice in page.notices:
                if notice.id not in given and self._shelf.is_first(notice):
                    yield self._told(notice)
                given[notice.id] = None
            while len(given) > _GIVEN:
                del given[next(iter(given))]
            after = page.position
            if page.is_last:
                break
        else:
            watcher.waiting.clear()  # it has not got what comes before these

    def _give(self, watcher: _Watcher, notice: Notice) -> None:
        if len(watcher.waiting) >= self._capacity:
            watcher.is_lagged = True
        if not watcher.is_lagged:
            watcher.waiting.append(notice)
        watcher.woken.set()

    @contextmanager
    def _registered(self) -> Iterator[_Watcher]:
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def _told(self, notice: Notice) -> FeedEvent:
        return FeedEvent(self._event, notice.data, notice.position)
