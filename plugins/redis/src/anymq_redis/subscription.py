"""One member of a group, reading over one connection and settling over another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from anymq.abc import Subscription
from anymq.abc.broker import OnLost
from anymq.errors import AnyMQError, BackendUnavailable, ClosedError
from anymq.message import Delivery
from anymq.outcome import Release, Settlement, SettleResult, SettleUnknown
from anymq.support.backoff import Backoff
from anymq.support.clock import Clock
from anymq_redis.condition import Condition
from anymq_redis.discovery import Discovery
from anymq_redis.holdings import Holdings
from anymq_redis.intake import POLL_S, Intake
from anymq_redis.link import Link
from anymq_redis.member import Member
from anymq_redis.mover import Mover
from anymq_redis.ordered_intake import OrderedIntake
from anymq_redis.ownership import Ownership
from anymq_redis.scripts import script
from anymq_redis.settling import Plan, by_feed
from anymq_redis.upkeep import Upkeep
from anymq_redis.waiting import is_set_within

__all__ = ["RedisSubscription"]

CUT_S = POLL_S + 0.25
"""A healthy server has answered by then; an answer that comes later is recovered."""


class RedisSubscription(Subscription):
    """Safe to cancel anywhere: what had become ours by then is found again."""

    def __init__(
        self,
        member: Member,
        *,
        discovery: Discovery,
        reader: Link,
        settler: Link,
        clock: Clock,
        condition: Condition,
        prefetch: int,
        on_lost: OnLost,
        on_close: Callable[[RedisSubscription], None],
    ) -> None:
        self._member = member
        self._reader = reader
        self._settler = settler
        self._clock = clock
        self._prefetch = prefetch
        self._on_close = on_close
        self._discovery = discovery
        self._holdings = Holdings()
        upkeep = Upkeep(member, clock)
        make = OrderedIntake if member.is_ordered else Intake
        self._intake = make(
            reader,
            member,
            upkeep=upkeep,
            mover=Mover(settler, upkeep),
            holdings=self._holdings,
            condition=condition,
            ownership=Ownership(member, settler, self._holdings, on_lost),
            on_lost=on_lost,
        )
        self._changed = asyncio.Event()
        # Held by receive: leaving must not overtake a read that is under way.
        self._receiving = asyncio.Lock()
        self._limit: asyncio.Timeout | None = None
        self._is_paused = self._is_stopped = self._is_closed = False

    async def begin(self) -> None:
        """Get the share of what the members divide among them; nothing for those that do not."""
        await self._intake.join()

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        backoff = Backoff(first_s=0.05, max_s=1.0)
        async with self._receiving:
            while True:
                if self._is_closed:
                    raise ClosedError("this subscription is closed")
                room = min(max_messages, self._prefetch - len(self._holdings))
                if self._is_stopped:
                    return []
                taken = await self._attempt(room, deadline, backoff)
                if taken or loop.time() >= deadline:
                    return taken

    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        deliveries = [item.delivery for item in items]
        plan = Plan(items, self._member, self._clock)
        self._holdings.begin_settling(deliveries)
        settled: list[Delivery] = []
        try:
            replies = await self._settler.run(plan.commands, timeout_s=timeout_s)
            results = plan.results(replies)
            settled = [
                d
                for d, result in zip(deliveries, results, strict=True)
                if not isinstance(result, SettleUnknown)
            ]
        except AnyMQError as error:
            results = [SettleUnknown(str(error))] * len(items)
        finally:
            self._holdings.end(settled)
            for item in items:
                if isinstance(item.outcome, Release):
                    item.delivery.token.feed.mark()
            if len(settled) < len(deliveries):
                self._holdings.doubt(deliveries)
                self._intake.is_unsure = True
            self._changed.set()
        return results

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        await self._intake.keep()
        lost = [delivery for delivery in deliveries if delivery.token.is_over]
        feeds = by_feed([d for d in deliveries if not d.token.is_over])
        command, names = script("keep", 1), self._member.names
        commands = [
            (*command, feed.stream, *names, *(d.token.entry_id for d in ours))
            for feed, ours in feeds.items()
        ]
        timeout_s = self._member.options.request_timeout_s
        try:
            replies = await self._settler.run(commands, timeout_s=timeout_s)
        except AnyMQError:
            return lost  # not known: whoever took them over will make settling stale
        for ours, reply in zip(feeds.values(), replies, strict=True):
            if not isinstance(reply, Exception):
                lost += [d for d in ours if d.token.entry_id.encode() in reply]
        self._holdings.end(lost)
        return lost

    async def pause(self) -> None:
        self._is_paused = self._intake.is_shut = True
        self._reader.rest()
        self._settler.rest()

    async def resume(self) -> None:
        self._is_paused = False
        self._intake.is_shut = self._is_stopped
        self._changed.set()

    async def stop(self) -> None:
        self._is_stopped = self._intake.is_shut = True
        self._changed.set()
        if self._limit is not None and not self._limit.expired():
            soon = asyncio.get_running_loop().time() + CUT_S
            self._limit.reschedule(min(soon, self._limit.when() or soon))

    async def aclose(self, *, timeout_s: float) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self.stop()
        try:
            async with asyncio.timeout(timeout_s), self._receiving:
                await self._settler.run(self._member.leave(), timeout_s=timeout_s)
        except (AnyMQError, TimeoutError):
            pass  # the leases end by themselves
        finally:
            self._holdings.clear()
            self._on_close(self)
            await self._reader.aclose()
            await self._settler.aclose()

    def abandon(self) -> None:
        """Vanish as a killed process does: what is held stays with the dead member."""
        self._is_closed = self._is_stopped = self._intake.is_shut = True
        self._holdings.clear()
        self._changed.set()
        self._reader.abandon()
        self._settler.abandon()
        self._on_close(self)

    async def _attempt(self, room: int, deadline: float, backoff: Backoff) -> list[Delivery]:
        """Take once, or wait for what hinders that to change."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline + CUT_S) as self._limit:
                await self._intake.tidy()
                await self._discovery.look(self._member, self._clock)
                if room > 0 and self._member.feeds and not self._is_paused:
                    return await self._intake.take(room, max(0.0, deadline - loop.time()))
        except (BackendUnavailable, TimeoutError):
            if not self._is_stopped:
                await self._wait(min(deadline, loop.time() + backoff.next_s()))
            return []
        finally:
            self._limit = None
        rest_s = self._discovery.looks_every_s
        await self._wait(deadline if rest_s is None else min(deadline, loop.time() + rest_s))
        return []

    async def _wait(self, until: float) -> None:
        self._changed.clear()
        await is_set_within(self._changed, until - asyncio.get_running_loop().time())
