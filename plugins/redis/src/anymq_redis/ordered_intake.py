"""Getting deliveries where a group keeps its keys in order: from owned partitions alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from anymq.errors import AnyMQError
from anymq.message import Delivery
from anymq_redis.feeds import Feed, shares
from anymq_redis.intake import POLL_S, Intake
from anymq_redis.link import Command
from anymq_redis.scripts import script
from anymq_redis.waiting import is_set_within

__all__ = ["OrderedIntake"]

JOIN_S = 1.0
"""How long a new member waits for its share: others first settle what they hold of it."""


class OrderedIntake(Intake):
    """What others left of a partition comes first, in its order, then what is new."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._attendants.append(self._ownership.watch)

    async def join(self) -> None:
        """Get this member's share of the partitions, or what there is in time."""
        await self._ownership.join(JOIN_S)

    async def keep(self) -> None:
        """Renew the lease, where the server can be reached; what ends meanwhile is told."""
        try:
            await self._ownership.renew(at_once=True)
        except AnyMQError:
            pass

    async def take(self, room: int, wait_s: float) -> list[Delivery]:
        await self._ownership.renew()
        now = asyncio.get_running_loop().time()
        if self.is_unsure or self._is_interrupted or now >= self._recovers_at:
            self.is_unsure = False
            self._recovers_at = now + self._member.options.lease_s
            for feed in self._member.feeds:
                feed.mark()
        found = await self._read_owned(room)
        if not found and wait_s > 0:
            await self._wait_for_more(min(wait_s, POLL_S))
            found = await self._read_owned(room)
        return await self._admit(found, room)

    async def _read_owned(self, room: int) -> list[Delivery]:
        ownership, moves = self._ownership, self._upkeep.move(asyncio.get_running_loop().time())
        self._turn += 1
        feeds = ownership.feeds
        asked = shares(feeds, room, self._turn) if feeds else []
        marks = [feed.marks for feed, _ in asked]
        ownership.begin_reading(feed for feed, _ in asked)
        try:
            replies = await self._run([*moves, *(self._claim(feed, n) for feed, n in asked)])
        finally:
            ownership.end_reading()
        self._upkeep.moved(replies[: len(moves)])
        found: list[Delivery] = []
        for (feed, _), mark, reply in zip(asked, marks, replies[len(moves) :], strict=True):
            if reply is None:
                ownership.doubt()
            elif ownership.owns(feed):
                found += self._found(feed, mark, reply)
        return found

    def _claim(self, feed: Feed, count: int) -> Command:
        head = (*script("read_owned", 2), feed.stream, feed.companions.owners, *self._member.names)
        if not feed.is_dirty:
            return (*head, feed.partition, count, "")
        return (*head, feed.partition, count, "1", *self._holdings.ids(feed))

    def _found(self, feed: Feed, mark: int, reply: Sequence[Any]) -> list[Delivery]:
        entries, is_clean, last_id = reply
        if is_clean:
            feed.cleaned = mark
        if last_id:
            feed.last_id = last_id.decode()
        return [self._member.delivery(feed, entry, taken_over=len(entry) > 2) for entry in entries]

    async def _wait_for_more(self, block_s: float) -> None:
        """Wait for an entry of any partition, for another partition, or for what becomes due."""
        feeds = [feed for feed in self._ownership.feeds if feed.last_id]
        self._ownership.has_gained.clear()
        if feeds:
            command: Command = (
                *("XREAD", "COUNT", 1, "BLOCK", max(1, int(block_s * 1000)), "STREAMS"),
                *(feed.stream for feed in feeds),
                *(feed.last_id for feed in feeds),
            )
            await self._attended(lambda: self._run([command], block_s))
        else:
            await self._attended(lambda: self._until_gained(block_s))

    async def _until_gained(self, within_s: float) -> list[Any]:
        await is_set_within(self._ownership.has_gained, within_s)
        return []
