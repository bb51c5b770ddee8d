"""A subscription: one member per topic, one buffer, deliveries built when they are handed out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from anymq.abc import Subscription
from anymq.abc.broker import OnLost
from anymq.errors import BackendUnavailable, ClosedError, InvalidState
from anymq.message import Delivery
from anymq.outcome import SETTLED, STALE, Ack, Release, Settlement, SettleResult, SettleUnknown
from anymq_kafka.acks import Acks
from anymq_kafka.member import Arrival, InHand, Member
from anymq_kafka.partition import OwnedPartition
from anymq_kafka.settling import SettleCall
from anymq_kafka.tray import Tray

__all__ = ["KafkaSubscription"]

Check = Callable[["KafkaSubscription", bool], Awaitable[None]]
"""Has a subscription read anew what was lost and declared again; asked to, raises TopologyError if
a topic of it does not exist any more."""
LookForMore = Callable[["KafkaSubscription"], Awaitable[None]]
"""Joins topics that match a pattern and are new."""

LOOK_EVERY_S = 2.0
ASK_AGAIN_S = 0.5


class KafkaSubscription(Subscription):
    """Lives on the loop; the members' threads call it through the bridge."""

    def __init__(
        self,
        group: str | None,
        *,
        prefetch: int,
        on_lost: OnLost,
        check: Check,
        look_for_more: LookForMore | None = None,
        on_trimmed: Callable[[str, int], None] = lambda _topic, _count: None,
    ) -> None:
        self._group = group
        self._on_lost = on_lost
        self._check = check
        self._look_for_more = look_for_more
        self.trimmed = on_trimmed
        self._next_look = 0.0
        self._members: list[Member] = []
        self._gone: list[Member] = []
        self._calls: set[SettleCall] = set()
        self._tray = Tray(group, prefetch=prefetch)
        self._news = asyncio.Event()
        self._is_paused = False
        self._is_stopped = False
        self._is_suspect = False
        self._is_cut_off = False
        self._is_purging = False
        self._failure: Exception | None = None
        self.is_closed = False

    def begin(self, members: Sequence[Member]) -> None:
        """Start further members that read for this subscription."""
        self._next_look = asyncio.get_running_loop().time() + LOOK_EVERY_S
        self._members += members
        for member in members:
            member.start()
        self._hold()

    def begin_anew(self, members: Sequence[Member]) -> None:
        """Go on with other members, and let those before them vanish: the cluster lost all."""
        for member in self._members:
            member.abandon()
        self._gone, self._members = self._gone + self._members, []
        self.begin(members)

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            await self._raise_if_over()
            if self._is_stopped:
                return []
            is_held = self._is_paused or self._is_purging
            found = [] if is_held else self._tray.hand_out(max_messages)
            if found:
                return found
            await self._look(loop.time())
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._wake_at(until)):
                    await self._news.wait()
            except TimeoutError:
                if loop.time() >= until:
                    return []

    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        results: list[SettleResult] = [STALE] * len(items)
        if self.is_closed or self._failure is not None:
            return results
        acks = self._sorted(items, results)
        until = asyncio.get_running_loop().time() + timeout_s
        unknown = SettleUnknown(f"no commit was confirmed within {timeout_s} s")
        calls = dict(acks.begin())
        self._calls |= calls.keys()
        try:
            for call, partitions in calls.items():
                answers = await call.answers(until)
                for partition in partitions:
                    answer = answers.get(partition, unknown)
                    self._answer(items, acks.places[partition], answer, results)
        finally:
            self._calls -= calls.keys()
        return results

    def _answer(
        self,
        items: Sequence[Settlement],
        places: Sequence[int],
        answer: SettleResult,
        results: list[SettleResult],
    ) -> None:
        for place in places:
            results[place] = answer
        if answer.__class__ is SettleUnknown:
            for place in places:
                if isinstance(items[place].outcome, Ack):
                    self._tray.put_back(items[place].delivery)

    def _sorted(self, items: Sequence[Settlement], results: list[SettleResult]) -> Acks:
        """What has to be committed; what has not, has its result."""
        acks = Acks()
        for index, item in enumerate(items):
            delivery = item.delivery
            if not self._tray.take_back(delivery):
                continue
            if isinstance(item.outcome, Ack):
                acks.add(index, delivery)
            elif isinstance(item.outcome, Release):
                results[index] = self._release(delivery)
                if results[index] is SETTLED and self._is_to_tell(delivery):
                    acks.add_release(index, delivery)
            else:
                raise InvalidState(f"Kafka does not settle by {item.outcome!r}")
        return acks

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        return []

    async def pause(self) -> None:
        self._is_paused = True
        self._hold()

    async def resume(self) -> None:
        self._is_paused = False
        self._hold()
        self._news.set()

    async def stop(self) -> None:
        self._is_stopped = True
        self._tray.clear()
        self._hold()
        self._news.set()

    async def aclose(self, *, timeout_s: float) -> None:
        await self.stop()
        self.is_closed = True
        async with asyncio.TaskGroup() as closing:
            for member in (*self._gone, *self._members):
                closing.create_task(member.aclose(timeout_s=timeout_s))

    def holds(self, topic: str, group: str) -> tuple[int, int]:
        """How many members it has in a topic's group, and how many deliveries are out there."""
        if group != self._group or self.is_closed:
            return 0, 0
        members = [member for member in self._members if member.topic == topic]
        return len(members), sum(member.in_hand() for member in members)

    async def purge(self, topic: str, group: str, *, timeout_s: float) -> int:
        """Drop what waits in the partitions that it owns of a topic's group, and count it."""
        if group != self._group or self.is_closed:
            return 0
        members = [member for member in self._members if member.topic == topic]
        self._is_purging = True
        try:
            async with asyncio.timeout(timeout_s):
                return sum([await self._purge(member) for member in members])
        finally:
            self._is_purging = False
            self._news.set()

    async def _purge(self, member: Member) -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def tell(count: int) -> None:
            # One that was released meanwhile is still unsettled, and stays.
            self._tray.drop_settled()
            if not told.done():
                told.set_result(count)

        member.purge(tell)
        return await told

    def abandon(self) -> None:
        """Vanish without settling or leaving, as a killed process does. For tests."""
        self.is_closed = True
        self._tray.clear()
        self._news.set()
        for call in self._calls:
            call.abandon()
        for member in self._members:
            member.abandon()

    # What the members tell.

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        if not self._is_stopped:
            self._tray.put(arrivals)
            self._news.set()

    def leaving(
        self, partitions: Sequence[OwnedPartition], reply: Callable[[InHand], None] | None
    ) -> None:
        held = self._tray.drop(partitions)
        if reply is not None:
            reply(held)
        lost = [partition.in_hand[offset] for partition, offset in held]
        if lost and not self.is_closed:
            self._on_lost(lost)

    def left(self, partitions: Sequence[OwnedPartition]) -> None:
        self._tray.forget(partitions)
        self._news.set()

    def suspects_missing(self) -> None:
        self._is_suspect = True
        self._news.set()

    def reconnected(self) -> None:
        """The cluster was out of reach: the next ``receive`` sees whether all is still there."""
        self._is_cut_off = True
        self._news.set()

    def ended(self, member: Member, error: Exception | None) -> None:
        if not self.is_closed and member in self._members:
            self._failure = error or BackendUnavailable("the consumer ended by itself")
            self._news.set()

    async def _raise_if_over(self) -> None:
        if self.is_closed:
            raise ClosedError("this subscription is closed")
        if self._failure is not None:
            raise self._failure
        if self._is_cut_off or self._is_suspect:
            is_suspect, self._is_cut_off, self._is_suspect = self._is_suspect, False, False
            try:
                await self._check(self, is_suspect)
            except BackendUnavailable:
                self._is_cut_off, self._is_suspect = True, is_suspect  # asked again soon

    async def _look(self, now: float) -> None:
        if self._look_for_more is None or now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        try:
            await self._look_for_more(self)
        except BackendUnavailable:
            return  # the next look finds what this one missed

    def _wake_at(self, until: float) -> float:
        if self._is_cut_off or self._is_suspect:  # the cluster could not be asked
            until = min(until, asyncio.get_running_loop().time() + ASK_AGAIN_S)
        return until if self._look_for_more is None else min(until, self._next_look)

    def _release(self, delivery: Delivery) -> SettleResult:
        """Hand it out again next: its partition, and so its group, is ours to serve.

        After a stop it waits for the partition to go to another member.
        """
        partition: OwnedPartition = delivery.token[1]
        if not partition.is_owned:
            return STALE
        partition.released.add(delivery.token[2])
        if not self._is_stopped:
            self._tray.release(delivery)
            self._news.set()
        return SETTLED

    def _is_to_tell(self, delivery: Delivery) -> bool:
        """Whether a crash a moment later must not charge what was given back."""
        return not self._is_stopped and delivery.token[1].takeovers > 0

    def _hold(self) -> None:
        for member in self._members:
            member.hold(self._is_paused or self._is_stopped)
