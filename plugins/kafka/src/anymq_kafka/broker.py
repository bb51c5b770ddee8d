"""The Broker on Apache Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from anymq.abc import (
    BackendContext,
    Broker,
    EventSink,
    Health,
    Management,
    Subscription,
)
from anymq.abc.broker import OnLost
from anymq.capabilities import Capabilities
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import Source, Topology, TopologyMode
from anymq_kafka.joining import Joining
from anymq_kafka.link import Link
from anymq_kafka.management import KafkaManagement
from anymq_kafka.options import KafkaOptions
from anymq_kafka.subscription import KafkaSubscription
from anymq_kafka.topology import TopologyKeeper
from anymq_kafka.wire import record_of

__all__ = ["KafkaBroker"]

NativeT = TypeVar("NativeT")


class KafkaBroker(Broker):
    """One producer, one admin client, and a consumer per topic of every subscription."""

    def __init__(self, options: KafkaOptions, context: BackendContext) -> None:
        self._link = Link(options, context)
        self._link.on_recovered = self._recovered
        self._subscriptions: list[KafkaSubscription] = []

    async def open(self, events: EventSink) -> Capabilities:
        return await self._link.open(events)

    async def health(self) -> Health:
        return await self._link.health()

    async def declare(self, topology: Topology, *, mode: TopologyMode, timeout_s: float) -> None:
        await TopologyKeeper(self._link).declare(topology, mode=mode, timeout_s=timeout_s)

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        names = self._link.names
        return await self._link.send(
            [record_of(message, names.address(message)) for message in messages],
            timeout_s=timeout_s,
        )

    async def subscribe(self, source: Source, *, prefetch: int, on_lost: OnLost) -> Subscription:
        joined = await Joining(self._link, source, prefetch=prefetch).subscribe(on_lost)
        self._subscriptions = [s for s in self._subscriptions if not s.is_closed]
        self._subscriptions.append(joined)
        return joined

    def management(self) -> Management:
        return KafkaManagement(self._link, self._holds, self._purge)

    def native(self, kind: type[NativeT]) -> NativeT | None:
        """The client library's ``Producer`` or ``AdminClient``; for one use, not to be kept.

        Whoever keeps one keeps its connections open after ``aclose``.
        """
        clients = self._link.clients
        for found in (clients.producer.client, clients.admin.api):
            if isinstance(found, kind):
                return found
        return None

    def _recovered(self) -> None:
        for subscription in self._subscriptions:
            subscription.reconnected()

    def _holds(self, topic: str, group: str) -> tuple[int, int]:
        held = [subscription.holds(topic, group) for subscription in self._subscriptions]
        return sum(members for members, _ in held), sum(out for _, out in held)

    async def _purge(self, topic: str, group: str, timeout_s: float) -> int:
        return sum(
            [await each.purge(topic, group, timeout_s=timeout_s) for each in self._subscriptions]
        )

    def abandon(self) -> None:
        """Vanish as a killed process does; ``aclose`` afterwards only waits for threads."""
        self._link.abandon()
        for subscription in self._subscriptions:
            subscription.abandon()

    async def aclose(self, *, timeout_s: float) -> None:
        async with asyncio.TaskGroup() as closing:
            for subscription in self._subscriptions:
                closing.create_task(subscription.aclose(timeout_s=timeout_s / 2))
        await self._link.aclose(timeout_s=timeout_s / 2)
