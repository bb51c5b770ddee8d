"""Which partitions a member owns, where a group keeps its keys in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from anymq.abc.broker import OnLost
from anymq.errors import AnyMQError
from anymq_redis.errors import translate
from anymq_redis.feeds import Feed
from anymq_redis.holdings import Holdings
from anymq_redis.keys import TopicKeys
from anymq_redis.link import Command, Link
from anymq_redis.member import Member
from anymq_redis.scripts import script
from anymq_redis.waiting import is_set_within

__all__ = ["Ownership"]

LOOK_S = 0.05
"""How often a member renews its lease and looks who else is there."""

DRAIN_S = 5.0
"""A partition that another member is to have is let go once what is held of it is settled, or then:
no longer may its handlers make the others wait."""


class Ownership:
    """Its exchanges follow one another over one connection: the last reply is what holds."""

    def __init__(self, member: Member, link: Link, holdings: Holdings, on_lost: OnLost) -> None:
        self._member = member
        self._link = link
        self._holdings = holdings
        self._on_lost = on_lost
        # One exchange at a time.
        self._lock = asyncio.Lock()
        self._owned: set[Feed] = set()
        self._leaving: dict[Feed, float] = {}
        self._reading: frozenset[Feed] = frozenset()
        self._is_short = True
        self._renews_at = self._until = 0.0
        self.has_gained = asyncio.Event()
        """Set when there is more to read than before; cleared by who waits for it."""

    @property
    def feeds(self) -> list[Feed]:
        """What may be read: owned, and not on its way to somebody else."""
        owned, leaving = self._owned, self._leaving
        return [feed for feed in self._member.feeds if feed in owned and feed not in leaving]

    def owns(self, feed: Feed) -> bool:
        """Whether what comes from there may be handed out."""
        return feed in self._owned

    def begin_reading(self, feeds: Iterable[Feed]) -> None:
        """Entries of these may become ours unseen until ``end_reading``: they are not let go."""
        self._reading = frozenset(feeds)

    def end_reading(self) -> None:
        """Whatever became ours is known."""
        self._reading = frozenset()

    def doubt(self) -> None:
        """The server says that a partition is not ours: ask, rather than wait."""
        self._renews_at = 0.0

    async def join(self, within_s: float) -> None:
        """Get this member's share of the partitions, or what there is by then."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        await self.renew(at_once=True)
        while self._is_short and loop.time() < deadline:
            await asyncio.sleep(LOOK_S)
            await self.renew(at_once=True)

    async def watch(self, until: asyncio.Event) -> None:
        """Renew until the event; without a word where the server cannot be reached."""
        try:
            while not await is_set_within(until, LOOK_S):
                await self.renew()
        except AnyMQError:
            pass  # whoever waits for the same server learns of it, and tells

    async def renew(self, *, at_once: bool = False) -> None:
        """Renew the lease where it is time, and note what it is for from now on.

        Raises: BackendUnavailable, AccessDenied. A lease that ran out is over by then, whoever
        cannot be reached.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            began = loop.time()
            if began < self._renews_at and not at_once:
                return
            self._renews_at = began + LOOK_S
            if began > self._until:
                self._lose(self._owned)
            topics = self._member.topics
            commands = [self._command(feed.keys, began) for feed in topics]
            timeout_s = self._member.options.request_timeout_s
            replies = await self._link.run(commands, timeout_s=timeout_s)
            self._until = began + self._member.options.lease_s
            self._note(topics, replies)

    def _command(self, keys: TopicKeys, now: float) -> Command:
        late = [feed for feed, since in self._leaving.items() if now - since > DRAIN_S]
        self._end_held(late)
        feeds = [feed for feed in self._member.feeds if feed.keys == keys]
        leaving = [feed for feed in feeds if feed in self._leaving]
        busy = {f.partition for f in leaving if f in self._reading or self._holdings.has(f)}
        given_up = {feed.partition for feed in leaving} - busy
        own = feeds[0].companions
        lease_ms = int(self._member.options.lease_s * 1000)
        partitions = 1 + max(feed.partition for feed in feeds)
        head = (*script("own", 2), own.members, own.owners, self._member.consumer)
        return (*head, lease_ms, partitions, *sorted(given_up))

    def _note(self, topics: Sequence[Feed], replies: Sequence[Any]) -> None:
        self._is_short = False
        now = asyncio.get_running_loop().time()
        for topic, reply in zip(topics, replies, strict=True):
            if isinstance(reply, Exception):
                raise translate(reply, self._member.options.address) from reply
            share, mine, surplus = reply
            self._is_short |= len(mine) < share
            feeds = [feed for feed in self._member.feeds if feed.keys == topic.keys]
            self._lose([f for f in feeds if f in self._owned and f.partition not in mine])
            for feed in feeds:
                if feed.partition in mine and feed not in self._owned:
                    feed.mark()
                    self._owned.add(feed)
                    self.has_gained.set()
                if feed.partition not in surplus:
                    self._leaving.pop(feed, None)
                elif feed not in self._leaving:
                    self._leaving[feed] = now
                    self._renews_at = 0.0  # where nothing is held, the others have it at once

    def _lose(self, feeds: Iterable[Feed]) -> None:
        """Somebody else owns these, or may."""
        gone = tuple(feeds)
        self._end_held(gone)
        self._owned.difference_update(gone)
        for feed in gone:
            self._leaving.pop(feed, None)

    def _end_held(self, feeds: Sequence[Feed]) -> None:
        held = self._holdings.of(feeds)
        if held:
            self._holdings.end(held)
            self._on_lost(held)
