"""A member of a group, or an anonymous one: deliveries from its queues, and their settlement."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

from anymq.abc import Subscription
from anymq.abc.broker import OnLost
from anymq.errors import AnyMQError, BackendUnavailable, ClosedError
from anymq.message import Delivery
from anymq.outcome import Settlement, SettleResult
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.deliveries import DecodeDelivery
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.intake import Consume, Intake
from anymq_rabbitmq.queues import Inlet, Queues
from anymq_rabbitmq.settling import Holdings, Settler

__all__ = ["RabbitSubscription"]

_MAX_PREFETCH = 65_535
"""AMQP counts it in 16 bits."""
_ON_ITS_WAY_S = 0.05


class RabbitSubscription(Subscription):
    """Consumes one queue per topic, all on one channel."""

    def __init__(
        self,
        intake_of: Callable[[Consume, Callable[[], None]], Intake],
        settler: Settler,
        queues: Queues,
        *,
        decode: DecodeDelivery,
        prefetch: int,
        on_lost: OnLost,
    ) -> None:
        self._settler = settler
        self._queues = queues
        self._decode = decode
        self._prefetch = prefetch
        self._on_lost = on_lost
        self._inlet_of: dict[str, Inlet] = {}
        """The queue of each consumer tag."""
        self._held = Holdings()
        self._is_begun = False
        """Consuming begins with the first receive: until then a member takes from no other."""
        self._asked_at = -math.inf
        """When the server last had a reason to send more, unless something came since."""
        self._is_paused = False
        self._is_stopped = False
        self._is_closed = False
        self._intake = intake_of(self._consume, self._lose)

    async def open(self) -> None:
        """Make sure of the queues. Raises TopologyError for a missing one, BackendUnavailable."""
        await self._intake.open()

    def is_member_of(self, topic: str, group: str) -> bool:
        """Whether it is open and reads this group's messages of this topic."""
        return not self._is_closed and self._queues.group == group and topic in self._queues.topics

    @property
    def is_consuming(self) -> bool:
        """Whether the server counts a consumer for it."""
        return self._intake.has_consumers

    def in_flight(self, topic: str) -> int:
        """How many of a topic's messages the server has sent it and nobody has settled."""
        waiting = sum(
            self._inlet_of[arrival.consumer_tag].topic in (topic, None)
            for arrival in self._intake.arrived
        )
        return waiting + self._held.count(topic)

    def abandon(self) -> None:
        """Hold nothing any more and tell nobody, as if the process were killed."""
        self._intake.arrived.clear()
        self._held.clear()

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        self._check()
        if not self._is_begun and not self._is_stopped:
            await self._begin()
        await self._intake.wait(self._has_news, max(wait_s, self._on_its_way_s))
        self._check()
        if self._is_stopped:
            return []
        arrived = self._intake.arrived
        count = min(max_messages, len(arrived), self._free)
        if count:
            self._asked_at = -math.inf
        return [self._deliver(arrived.popleft()) for _ in range(count)]

    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        results = await self._settler.settle(self._held, items, timeout_s=timeout_s)
        self._asked_at = asyncio.get_running_loop().time()
        self._intake.wake()  # there is room for more
        return results

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        return []  # ours as long as the connection lives

    async def pause(self) -> None:
        if not self._is_paused and not self._is_stopped:
            self._is_paused = True
            await self._intake.halt()

    async def resume(self) -> None:
        if self._is_paused and not self._is_stopped:
            self._is_paused = False
            if self._is_begun:
                await self._intake.go_on()

    async def stop(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            await self._intake.halt()

    async def aclose(self, *, timeout_s: float) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._is_stopped = True
        try:
            with translated("closing a subscription"):
                async with asyncio.timeout(timeout_s):
                    await self._intake.aclose()
                    await self._queues.remove()
        except AnyMQError:
            pass  # the connection is gone, and with it all that was unsettled or exclusive
        finally:
            self._held.clear()
            self._intake.wake()

    @property
    def _on_its_way_s(self) -> float:
        """How long what the server sends for the room that was made may still be on its way.

        Whoever asks for what is there, without waiting, means it too: of two subscriptions with a
        prefetch of one, the preferred one would else seem empty after each of its messages.
        """
        return self._asked_at + _ON_ITS_WAY_S - asyncio.get_running_loop().time()

    async def _begin(self) -> None:
        self._is_begun = True
        self._asked_at = asyncio.get_running_loop().time()
        if self._is_paused:
            return
        try:
            await self._intake.go_on()
        except BackendUnavailable:
            pass  # the intake tries again by itself

    @property
    def _free(self) -> int:
        return self._prefetch - len(self._held)

    def _has_news(self) -> bool:
        if self._is_stopped or self._intake.failure is not None:
            return True
        return bool(self._intake.arrived) and self._free > 0

    def _check(self) -> None:
        if self._is_closed:
            raise ClosedError("the subscription is closed")
        if self._intake.failure is not None:
            raise self._intake.failure

    async def _consume(self, channel: DataChannel) -> Sequence[str]:
        inlets = await self._queues.prepare(channel.client)
        if self._is_paused or self._is_stopped or not self._is_begun:
            for inlet in inlets:
                await channel.client.queue_declare(inlet.queue, passive=True)
            return []
        main = [inlet for inlet in inlets if inlet.queue != inlet.alone]
        shares = iter(_shares(self._prefetch, len(main)))
        tags: list[str] = []
        for inlet in inlets:
            tag = f"{channel.number}.{len(tags)}"
            self._inlet_of[tag] = inlet
            share = 1 if inlet.queue == inlet.alone else next(shares)
            await channel.client.basic_qos(prefetch_count=share)  # of the consumers that follow
            await channel.consume(inlet.queue, tag=tag)
            tags.append(tag)
        return tags

    def _deliver(self, arrival: Arrival) -> Delivery:
        inlet = self._inlet_of[arrival.consumer_tag]
        delivery = self._decode(self._queues.group, inlet, arrival)
        self._held.add(delivery)
        return delivery

    def _lose(self) -> None:
        lost = self._held.clear()
        if lost:
            self._on_lost(lost)


def _shares(prefetch: int, count: int) -> list[int]:
    """The prefetch of each of some consumers: quorum queues know no limit for a whole channel.

    With more topics than prefetch one of each may wait here; ``receive`` keeps to the limit.
    """
    share, rest = divmod(prefetch, count)
    return [min(_MAX_PREFETCH, max(1, share + (number < rest))) for number in range(count)]
