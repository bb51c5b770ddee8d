"""The Broker on a space of this process."""

from __future__ import annotations

from collections.abc import Sequence

from anymq.abc import BackendContext, BackendEvent, Broker, EventSink, Health, Management
from anymq.abc.broker import OnLost
from anymq.capabilities import Capabilities
from anymq.errors import AnyMQError, ClosedError
from anymq.memory.capabilities import capabilities_of
from anymq.memory.group import Group
from anymq.memory.management import MemoryManagement
from anymq.memory.options import MemoryOptions
from anymq.memory.space import Space, space_named
from anymq.memory.subscription import MemorySubscription
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import Source, Topology, TopologyMode

__all__ = ["MemoryBroker"]


class MemoryBroker(Broker):
    """Messages live in the process and end with it."""

    def __init__(self, options: MemoryOptions, context: BackendContext) -> None:
        self._options = options
        self._context = context
        self._subscriptions: list[MemorySubscription] = []
        self._closed = False
        self._opened = False
        self.space: Space = space_named(context.physical(options.space))

    async def open(self, events: EventSink) -> Capabilities:
        self.space.check_up()
        self._opened = True
        events(BackendEvent("connected", f"memory://{self.space.name}"))
        return capabilities_of(self._options)

    async def health(self) -> Health:
        if self._closed or not self._opened:
            return Health("down", "closed" if self._closed else "not open yet")
        try:
            self.space.check_up()
        except AnyMQError as error:
            return Health("down", str(error))
        return Health("up", f"memory://{self.space.name}")

    async def declare(self, topology: Topology, *, mode: TopologyMode, timeout_s: float) -> None:
        self._check_open()
        self.space.declare(topology, mode)

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        self._check_open()
        return self.space.send(messages, atomic=atomic, max_messages=self._options.max_messages)

    async def subscribe(
        self, source: Source, *, prefetch: int, on_lost: OnLost
    ) -> MemorySubscription:
        self._check_open()
        groups = self._groups(source)
        subscription = MemorySubscription(
            self.space,
            groups,
            prefetch=prefetch,
            lease_s=self._options.lease_s,
            clock=self._context.clock,
            on_lost=on_lost,
            on_close=self._forget,
        )
        self._subscriptions.append(subscription)
        return subscription

    def management(self) -> Management:
        return MemoryManagement(self.space, self._context.clock)

    async def aclose(self, *, timeout_s: float) -> None:
        self._closed = True
        for subscription in tuple(self._subscriptions):
            await subscription.aclose(timeout_s=timeout_s)

    def abandon(self) -> None:
        """Vanish as a killed process does: every subscription leaves without settling."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.abandon()

    def _groups(self, source: Source) -> list[Group]:
        with self.space.lock:
            if source.group is not None:
                return [self.space.group(topic, source.group) for topic in source.topics]
            group = Group(source.topics[0], None, by_key=source.order == "key")
            self.space.attach(source.topics, group)
            return [group]

    def _forget(self, subscription: MemorySubscription) -> None:
        self._subscriptions.remove(subscription)
        with self.space.lock:
            for group in subscription.groups:
                if group.name is None:
                    self.space.detach(group)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this broker is closed")
