"""A member of a group by key: a lane per partition, shared among the members by roll call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from anymq.abc import Subscription
from anymq.abc.broker import OnLost
from anymq.errors import AnyMQError, ClosedError
from anymq.message import Delivery
from anymq.outcome import STALE, Settlement, SettleResult
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.intake import Intake
from anymq_rabbitmq.lane import Lane
from anymq_rabbitmq.members import RollCall
from anymq_rabbitmq.queues import Inlet
from anymq_rabbitmq.settling import Settler

__all__ = ["KeyedSubscription", "KeyedTopic"]

_JOIN_S = 2.0
"""How long joining waits for the other members to make room."""
_MOVE_S = 1.0
IntakeOf = Callable[..., Intake]


class KeyedTopic:
    """One topic of the subscription: its partitions, and what was set aside."""

    def __init__(
        self, topic: str, base: str, partitions: Sequence[Inlet], alone: Inlet | None
    ) -> None:
        self.topic = topic
        self.base = base
        """What the members of this group call it at roll call."""
        self.partitions = partitions
        self.alone = alone


class KeyedSubscription(Subscription):
    """Hands out one message of a key at a time; order holds across members, too."""

    def __init__(
        self,
        topics: Sequence[KeyedTopic],
        group: str,
        intake_of: IntakeOf,
        roll_call_of: Callable[..., RollCall],
        settler: Settler,
        decode: Callable[[str, Inlet, Arrival], Delivery],
        *,
        count: Callable[[str], Awaitable[tuple[int, int] | None]],
        prefetch: int,
        on_lost: OnLost,
    ) -> None:
        self.group = group
        self._topics = topics
        self._settler = settler
        self._count = count
        """Ready messages and consumers of a queue."""
        self._prefetch = prefetch
        self._news = asyncio.Event()
        self._is_paused = False
        self._is_stopped = False
        self._is_closed = False
        of = partial(intake_of, news=self._news)
        share = max(1, prefetch // max(1, sum(len(topic.partitions) for topic in topics)))
        self._lanes: dict[str, Lane] = {}
        for topic in topics:
            aside = [topic.alone] if topic.alone is not None else []
            for inlet in (*topic.partitions, *aside):
                limit = 1 if inlet is topic.alone else share
                self._lanes[inlet.queue] = Lane(
                    of, inlet, partial(decode, group), prefetch=limit, on_lost=on_lost
                )
        self._calls = [
            roll_call_of(topic.base, on_change=partial(self._share, topic)) for topic in topics
        ]

    async def open(self) -> None:
        """Get in line for every partition, and have the other members make room.

        Raises: TopologyError for a missing queue, BackendUnavailable.
        """
        for lane in self._lanes.values():
            await lane.intake.open()
        for topic, call in zip(self._topics, self._calls, strict=True):
            await call.open()
            counted = await self._count(topic.partitions[0].queue)
            others = counted[1] - 1 if counted is not None else 0
            await call.wait_for(others, limit_s=_JOIN_S)

    def is_member_of(self, topic: str, group: str) -> bool:
        """Whether it is open and reads this group's messages of this topic."""
        return not self._is_closed and self.group == group and topic in self._names

    @property
    def is_consuming(self) -> bool:
        """Whether the server counts a consumer for it."""
        return any(lane.intake.has_consumers for lane in self._lanes.values())

    def in_flight(self, topic: str) -> int:
        """How many of a topic's messages the server has sent it and nobody has settled."""
        return sum(lane.unsettled for lane in self._lanes.values() if lane.inlet.topic == topic)

    def abandon(self) -> None:
        """Hold nothing any more and tell nobody, as if the process were killed."""
        for lane in self._lanes.values():
            lane.abandon()

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            self._check()
            self._news.clear()
            found = self._take(max_messages)
            if found or self._is_stopped or loop.time() >= deadline:
                return found
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        results: list[SettleResult] = [STALE] * len(items)
        parts: dict[str, list[int]] = {}
        for index, item in enumerate(items):
            parts.setdefault(getattr(item.delivery.token, "queue", ""), []).append(index)
        for queue, indexes in parts.items():
            lane = self._lanes.get(queue)
            if lane is None:
                continue
            part = [items[index] for index in indexes]
            answers = await lane.settle(self._settler, part, timeout_s=timeout_s)
            for index, answer in zip(indexes, answers, strict=True):
                results[index] = answer
            await self._go_on(lane)
        self._news.set()
        return results

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        return []  # ours as long as the connection lives

    async def pause(self) -> None:
        self._is_paused = True

    async def resume(self) -> None:
        self._is_paused = False
        self._news.set()

    async def stop(self) -> None:
        if self._is_stopped:
            return
        self._is_stopped = True
        self._news.set()
        for lane in self._lanes.values():
            lane.is_leaving = True
            await self._go_on(lane)

    async def aclose(self, *, timeout_s: float) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._is_stopped = True
        self._news.set()
        try:
            with translated("closing a subscription"):
                async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as closing:
                    for lane in self._lanes.values():
                        closing.create_task(_ended(lane.end()))
                    for call in self._calls:
                        closing.create_task(_ended(call.aclose()))
        except AnyMQError:
            pass  # the connection is gone, and with it all that was unsettled
        finally:
            self.abandon()

    @property
    def _names(self) -> list[str]:
        return [topic.topic for topic in self._topics]

    def _take(self, max_messages: int) -> list[Delivery]:
        if self._is_paused or self._is_stopped:
            return []
        out = sum(len(lane.out) for lane in self._lanes.values())
        room = min(max_messages, self._prefetch - out)
        found: list[Delivery] = []
        for queue in list(self._lanes):
            lane = self._lanes[queue]
            taken = lane.take(room - len(found))
            if taken:
                found += taken
                self._lanes[queue] = self._lanes.pop(queue)  # the others come first next time
        return found

    async def _share(self, topic: KeyedTopic, members: Sequence[str]) -> None:
        """Everyone leaves what is another's, so that its owner comes first in line."""
        if self._is_stopped:
            return
        mine = {call.id for call in self._calls}
        for number, inlet in enumerate(topic.partitions):
            lane = self._lanes[inlet.queue]
            lane.is_mine = members[number % len(members)] in mine
            if lane.is_mine:
                lane.stay()
            else:
                lane.leave()
        self._news.set()
        try:
            async with asyncio.timeout(_MOVE_S):
                while any(lane.is_moving for lane in self._lanes.values()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass  # the server is slow; the others need not wait for it

    async def _go_on(self, lane: Lane) -> None:
        """Leave a partition of which nothing is being handled any more, if it is to be left."""
        if not lane.is_leaving or lane.out:
            return
        if self._is_stopped:
            await _ended(lane.end())
        else:
            lane.intake.begin_again()

    def _check(self) -> None:
        if self._is_closed:
            raise ClosedError("the subscription is closed")
        for lane in self._lanes.values():
            if lane.intake.failure is not None:
                raise lane.intake.failure


async def _ended(work: Awaitable[None]) -> None:
    """Leave what is lost anyway."""
    try:
        await work
    except AnyMQError:
        pass
