"""The Broker on RabbitMQ: an exchange per topic, a quorum queue per group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from anymq.abc import BackendContext, Broker, EventSink, Health, Management, Subscription
from anymq.abc.broker import OnLost
from anymq.capabilities import Capabilities
from anymq.errors import ClosedError, UnsupportedError
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import Source, Topology, TopologyMode
from anymq_rabbitmq.addressing import TOPOLOGY_GONE, Addressing
from anymq_rabbitmq.capabilities import capabilities_of
from anymq_rabbitmq.catalog import Catalog
from anymq_rabbitmq.declaring import Declarer
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.groups import Groups
from anymq_rabbitmq.joining import Joining
from anymq_rabbitmq.keyed import KeyedSubscription
from anymq_rabbitmq.links import Links
from anymq_rabbitmq.management import RabbitManagement
from anymq_rabbitmq.options import RabbitMQOptions
from anymq_rabbitmq.patience import patiently
from anymq_rabbitmq.publisher import Publisher
from anymq_rabbitmq.repairs import Repairs
from anymq_rabbitmq.settling import Settler
from anymq_rabbitmq.subscription import RabbitSubscription

__all__ = ["RabbitMQBroker"]


class RabbitMQBroker(Broker):
    """Two connections: one publishes, the other consumes and declares."""

    def __init__(self, options: RabbitMQOptions, context: BackendContext) -> None:
        self._options = options
        self._context = context
        self._links = Links(options, context.client_id, on_change=self._look_again)
        self._directory = Directory(self._links.consuming, timeout_s=options.request_timeout_s)
        self._publisher = Publisher(self._links.publishing)
        self._catalog = Catalog(
            self._links.consuming, self._publisher, timeout_s=options.request_timeout_s
        )
        self._groups = Groups(self._catalog, context.physical)
        self._declarer = Declarer(
            self._links.consuming,
            self._directory,
            self._catalog,
            self._groups,
            context.physical,
            queue_type=options.queue_type,
            timeout_s=options.request_timeout_s,
        )
        self._repairs = Repairs(self._declarer, context.physical, tell=self._links.degraded)
        self._addressing = Addressing(
            context, self._directory, groups=self._groups, groups_of=self._repairs.groups_of
        )
        self._settler = Settler(self._publisher, self._addressing)
        self._management = self._managing()
        self._joining = Joining(
            options,
            context,
            self._links.consuming,
            self._directory,
            self._catalog,
            self._groups,
            self._publisher,
            self._settler,
            repair=self._repairs.run,
        )
        self._subscriptions: list[RabbitSubscription | KeyedSubscription] = []
        self._is_closed = False

    async def open(self, events: EventSink) -> Capabilities:
        await self._links.open(events)
        return capabilities_of(self._options, server_version=self._links.consuming.server_version)

    async def health(self) -> Health:
        return await self._links.health(self._directory.ask)

    async def declare(self, topology: Topology, *, mode: TopologyMode, timeout_s: float) -> None:
        self._check_open()
        if mode is TopologyMode.ASSUME:
            self._groups.note(self._groups.of(topology))
            return
        with translated("declaring"):
            async with asyncio.timeout(timeout_s):
                is_verify = mode is TopologyMode.VERIFY
                work = self._declarer.check if is_verify else self._declarer.make
                await patiently(partial(work, topology), timeout_s=timeout_s)
        if not is_verify:
            self._repairs.note(topology)

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        self._check_open()
        if atomic:
            raise UnsupportedError("RabbitMQ stores a batch entry by entry, never as a whole")
        if not messages:
            return []
        deadline = asyncio.get_running_loop().time() + timeout_s
        results = await self._publisher.publish(
            lambda: self._addressing.parcels(messages), count=len(messages), timeout_s=timeout_s
        )
        if any(result is TOPOLOGY_GONE for result in results):
            await self._repairs.run_within(deadline)
        return results

    async def subscribe(self, source: Source, *, prefetch: int, on_lost: OnLost) -> Subscription:
        self._check_open()
        subscription = await self._joining.subscription(source, prefetch=prefetch, on_lost=on_lost)
        self._subscriptions.append(subscription)
        await subscription.open()
        return subscription

    def management(self) -> Management:
        return self._management

    def abandon(self) -> None:
        """Vanish as a killed process does, settling nothing; for the conformance kit."""
        self._links.abandon()
        for subscription in self._subscriptions:
            subscription.abandon()

    async def aclose(self, *, timeout_s: float) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with asyncio.TaskGroup() as closing:
            for subscription in self._subscriptions:
                closing.create_task(subscription.aclose(timeout_s=timeout_s / 2))
        left_s = deadline - asyncio.get_running_loop().time()
        await self._links.aclose(timeout_s=max(0.0, left_s))

    def _managing(self) -> RabbitManagement:
        return RabbitManagement(
            self._links.consuming,
            self._directory,
            self._catalog,
            self._groups,
            self._context,
            on_removed=self._repairs.forget_group,
            members_of=self._members_of,
            timeout_s=self._options.request_timeout_s,
        )

    def _members_of(self, topic: str, group: str) -> list[RabbitSubscription | KeyedSubscription]:
        return [s for s in self._subscriptions if s.is_member_of(topic, group)]

    def _look_again(self) -> None:
        self._directory.forget()
        self._catalog.forget()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the RabbitMQ broker is closed")
