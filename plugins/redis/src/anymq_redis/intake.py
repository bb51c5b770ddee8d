"""Getting deliveries: what is new, what others dropped, and what a lost reply had given us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

from anymq.abc.broker import OnLost
from anymq.errors import AnyMQError
from anymq.message import Delivery
from anymq_redis.condition import Condition
from anymq_redis.errors import is_missing_group, translate
from anymq_redis.feeds import shares
from anymq_redis.holdings import Holdings
from anymq_redis.link import Command, Link
from anymq_redis.member import Member
from anymq_redis.mover import Mover
from anymq_redis.ownership import Ownership
from anymq_redis.scripts import script
from anymq_redis.settling import by_feed
from anymq_redis.upkeep import Upkeep

__all__ = ["POLL_S", "Intake"]

POLL_S = 0.08
"""Longest wait in one go, so that ``stop`` is heard. An idle server makes it up to 0.1 s longer."""

Attendant = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""What is done besides while a member waits, until the event."""


class Intake:
    """One member's reading. Interrupted anywhere, the next call finds what had become ours."""

    def __init__(
        self,
        link: Link,
        member: Member,
        *,
        upkeep: Upkeep,
        mover: Mover,
        holdings: Holdings,
        condition: Condition,
        ownership: Ownership,
        on_lost: OnLost,
    ) -> None:
        self._link = link
        self._member = member
        self._upkeep = upkeep
        self._holdings = holdings
        self._condition = condition
        self._on_lost = on_lost
        self._ownership = ownership
        self._attendants: list[Attendant] = [mover.run]
        self._is_interrupted = False
        self._is_flowing = True
        self._turn = 0
        self._recovers_at = 0.0
        self.is_unsure = False
        """Set where the server may hold more for us, or less, than we know."""
        self.is_shut = False
        """Set while nothing may be handed out: what a read brings is given back."""

    async def join(self) -> None:
        """Nothing is divided among the members: each takes what it can."""

    async def keep(self) -> None:
        """Nothing besides the deliveries has a lease."""

    async def take(self, room: int, wait_s: float) -> list[Delivery]:
        """1 to ``room`` deliveries, or none after ``wait_s`` seconds or less.

        Raises: BackendUnavailable, AccessDenied, TopologyError.
        """
        now = asyncio.get_running_loop().time()
        # Now and then in any case: what was ours and never kept must not wait for others.
        if self.is_unsure or self._is_interrupted or now >= self._recovers_at:
            self._recovers_at = now + self._member.options.lease_s
            found = await self._recover()
        else:
            found = await self._take_over(now, room)
        return await self._admit(found or await self._read(room, wait_s), room)

    async def tidy(self) -> None:
        """Do what is due whether or not anything can be taken."""
        commands = self._upkeep.tidy(asyncio.get_running_loop().time())
        if commands:
            await self._link.run(commands, timeout_s=self._member.options.request_timeout_s)

    async def _read(self, room: int, wait_s: float) -> list[Delivery]:
        member = self._member
        if self._is_flowing:
            self._turn += 1
            moves = self._upkeep.move(asyncio.get_running_loop().time())
            asked = shares(member.feeds, room, self._turn)
            reads = [member.read([feed], count) for feed, count in asked]
            replies = await self._run(moves + reads)
            self._upkeep.moved(replies[: len(moves)])
            found = self._new(replies[len(moves) :])
            if found:
                return found
        # What is delivered is ours at once, so ask for the least that wakes; the rest follows.
        found = self._new(await self._wait(min(wait_s, POLL_S)))
        self._is_flowing = bool(found)
        return found

    async def _wait(self, block_s: float) -> list[Any]:
        """Wait for one entry of any feed, while the mover brings what becomes due."""
        read = self._member.read(self._member.feeds, 1, block_s)
        if not block_s:
            return await self._run([read])
        return await self._attended(lambda: self._run([read], block_s))

    async def _attended(self, wait: Callable[[], Awaitable[list[Any]]]) -> list[Any]:
        """Wait, while the attendants do what is due meanwhile."""
        is_over = asyncio.Event()
        failure: AnyMQError | None = None
        replies: list[Any] = []
        async with asyncio.TaskGroup() as tasks:
            for attendant in self._attendants:
                tasks.create_task(attendant(is_over))
            try:
                replies = await wait()
            except AnyMQError as error:
                failure = error  # raised below: the group would wrap it
            finally:
                is_over.set()
        if failure is not None:
            raise failure
        return replies

    def _new(self, replies: Iterable[Any]) -> list[Delivery]:
        return [
            self._member.delivery(self._member.by_stream[stream], entry)
            for reply in replies
            for stream, entries in reply or ()
            for entry in entries
        ]

    async def _take_over(self, now: float, room: int) -> list[Delivery]:
        commands = self._upkeep.take_over(now, room)
        return self._dropped(await self._run(commands)) if commands else []

    async def _recover(self) -> list[Delivery]:
        self.is_unsure = False
        command = script("recover", 1)
        feeds, names, holdings = self._member.feeds, self._member.names, self._holdings
        replies = await self._run(
            [(*command, feed.stream, *names, *holdings.ids(feed)) for feed in feeds]
        )
        lost = [
            delivery
            for feed, reply in zip(feeds, replies, strict=True)
            for delivery in holdings.lost(feed, reply[1] if reply else ())
        ]
        if lost:
            holdings.end(lost)
            self._on_lost(lost)
        return self._dropped([reply[0] if reply else () for reply in replies])

    def _dropped(self, replies: Iterable[Sequence[Any] | None]) -> list[Delivery]:
        """Deliveries that somebody had before: one list of entries for each feed."""
        return [
            self._member.delivery(feed, entry, taken_over=True)
            for feed, entries in zip(self._member.feeds, replies, strict=True)
            for entry in entries or ()
        ]

    async def _admit(self, found: list[Delivery], room: int) -> list[Delivery]:
        """Hand out what there is room for and give back the rest."""
        if self.is_shut:
            room = 0
        if len(found) > room:
            surplus = by_feed(found[room:])
            await self._run(
                [
                    (*self._member.give_back(feed), *(d.token.entry_id for d in deliveries))
                    for feed, deliveries in surplus.items()
                ]
            )
            for feed in surplus:
                feed.mark()
            del found[room:]
        self._holdings.add(found)
        return found

    async def _run(self, commands: Sequence[Command], block_s: float = 0.0) -> list[Any]:
        """Carry out commands that may make something ours. None stands for a group restored."""
        self._is_interrupted = True
        timeout_s = block_s + self._member.options.request_timeout_s
        replies = await self._link.run(commands, timeout_s=timeout_s)
        error = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if error is not None:
            if not is_missing_group(error):
                raise translate(error, self._member.options.address) from error
            await self._restore()
            replies = [None] * len(replies)
        self._is_interrupted = False
        return replies

    async def _restore(self) -> None:
        """The server lost the group, as by FLUSHALL: make it again and say so."""
        self._condition.degraded(f"group {self._member.group!r} was gone and is made again")
        await self._link.run(
            self._member.restore(self._member.feeds),
            timeout_s=self._member.options.request_timeout_s,
        )
