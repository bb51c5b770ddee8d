"""Follower: follows a stream for one process's feed, and reads it again for latecomers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from pydantic import BaseModel

from anymq import AnyMQError, ConfigError, DecodeError, after, at
from anymq.streams.handle import StreamHandle
from anymq.streams.record import StreamRecord
from newsstand.live.events import FeedEvent, Notice, Page
from newsstand.live.feed import Feed

__all__ = ["Follower"]

T = TypeVar("T", bound=BaseModel)

log = logging.getLogger("newsstand")

# What a new process reads back: who watches goes on out of memory, and what is told again within
# this time is not shown again.
WARM_S = 600
PAGE = 500
# Shorter than a server waits for its connections when it stops.
HISTORY_S = 2.0
RETRY_S = (0.2, 5.0)


class Follower(Generic[T]):
    """One reader for all who watch; those who come back behind its memory get one of their own."""

    def __init__(
        self, stream: StreamHandle[T], feed: Feed, *, show: Callable[[T], BaseModel] | None = None
    ) -> None:
        """``show`` makes of a record what watchers get; without it they get the record."""
        self.feed = feed
        self._stream = stream
        self._show: Callable[[T], BaseModel] = show or (lambda value: value)
        self._position: str | None = None
        self.is_following = False
        """Whether what arrives now is shown now."""

    async def run(self) -> None:
        """Follow the stream until it is cancelled; trouble is waited out."""
        delay_s = RETRY_S[0]
        while True:
            before = self._position
            try:
                await self._follow()
            except ConfigError:
                self._position = None  # the stream is not the one that this position was of
            except AnyMQError as error:
                log.warning("the feed is interrupted: %s", error)
            delay_s = RETRY_S[0] if self._position != before else min(2 * delay_s, RETRY_S[1])
            await asyncio.sleep(delay_s)

    def watch(self, after: str | None = None) -> AsyncIterator[FeedEvent]:
        """As ``Feed.watch``, with the stream for its history."""
        return self.feed.watch(after, self.since)

    async def since(self, position: str) -> Page | None:
        """What came behind ``position``; None if it cannot be had now."""
        try:
            async with asyncio.timeout(HISTORY_S):
                return await self._page(position)
        except ConfigError:
            return Page((), position, is_last=True, lost=None)
        except (AnyMQError, TimeoutError) as error:
            log.warning("a watcher cannot go on where it was: %s", str(error) or "it took too long")
            return None

    async def _page(self, position: str) -> Page:
        notices: list[Notice] = []
        reading = self._stream.read(after(position), follow=False, prefetch=PAGE)
        async with reading:
            async for record in reading:
                position = record.position
                notices += self._notices(record)
                if len(notices) >= PAGE:
                    return Page(notices, position, is_last=False, lost=reading.lost)
            return Page(notices, position, is_last=True, lost=reading.lost)

    async def _follow(self) -> None:
        if self._position is None:
            self._position = await self._warm()
            self.feed.begin(self._position)
        async with self._stream.read(after(self._position)) as reading:
            self.is_following = True
            try:
                async for record in reading:
                    for notice in self._notices(record):
                        self.feed.announce(notice)
                    self._position = record.position
            finally:
                self.is_following = False

    async def _warm(self) -> str:
        """Remember the last minutes; the position up to which that is done."""
        position = await self._stream.end()
        recent = self._stream.read(at(time.time() - WARM_S), follow=False)
        async with recent:
            async for record in recent:
                for notice in self._notices(record):
                    self.feed.remember(notice)
                position = record.position
        return position

    def _notices(self, record: StreamRecord[T]) -> list[Notice]:
        """The record's notice; none for one that nobody can read, which stops no feed."""
        try:
            data = self._show(record.value).model_dump_json()
        except DecodeError as error:
            log.warning("record %s of %s is left out: %s", record.id, record.stream, error)
            return []
        return [Notice(record.position, record.id, data)]
