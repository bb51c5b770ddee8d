"""One test's view of one backend: opens drivers over the narrow interface, and closes them all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from anymq.abc import BackendContext, BackendEvent, Broker, Stream, StreamReader, Subscription
from anymq.abc.stream import Start
from anymq.capabilities import Capabilities, Support
from anymq.errors import Busy
from anymq.message import Delivery, Message
from anymq.support.clock import SystemClock
from anymq.topology import GroupSpec, Source, TopicSpec, Topology, TopologyMode
from tests.seam.backends import Backend

__all__ = ["CALL_S", "OVER_S", "Seam"]

CALL_S = 10.0
"""The time given to one call."""
OVER_S = 0.5
"""How much longer than its limit a call may take."""


class Seam:
    """Opens what a test needs; ``aclose`` closes it in reverse order, each within its limit."""

    def __init__(self, backend: Backend, url: str, run: str) -> None:
        self.backend = backend
        self.url = url
        self.run = run
        self.namespace = f"seam-{run}"
        self.capabilities = Capabilities({}, frozenset())
        self.events: list[BackendEvent] = []
        self._context = BackendContext(SystemClock(), namespace=self.namespace, client_id="seam")
        self._stack = AsyncExitStack()

    async def open_broker(self, **options: object) -> Broker:
        """A connected Broker; what it told of itself is in ``capabilities``."""
        broker = self.backend.broker(self.url, self._context, **options)
        self._close_later(broker.aclose)
        async with asyncio.timeout(CALL_S):
            self.capabilities = await broker.open(self.events.append)
        return broker

    async def open_stream(self) -> Stream:
        """A connected Stream."""
        stream = self.backend.stream(self.url, self._context)
        self._close_later(stream.aclose)
        async with asyncio.timeout(CALL_S):
            self.capabilities = await stream.open(self.events.append)
        return stream

    async def declare(self, broker: Broker, topic: str, *groups: str, partitions: int = 1) -> None:
        """Declare one topic and its groups; the groups are removed when the test ends."""
        topology = Topology(
            topics=(TopicSpec(topic, partitions=partitions),),
            groups=tuple(GroupSpec(topic, group) for group in groups),
        )
        async with asyncio.timeout(CALL_S + OVER_S):
            await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
        for group in groups:
            self._stack.push_async_callback(_remove_group, broker, topic, group)

    async def subscribe(
        self,
        broker: Broker,
        topic: str,
        group: str,
        *,
        prefetch: int = 100,
        on_lost: Callable[[Sequence[Delivery]], None] = lambda _lost: None,
    ) -> Subscription:
        """A new member of a group."""
        async with asyncio.timeout(CALL_S):
            subscription = await broker.subscribe(
                Source((topic,), group), prefetch=prefetch, on_lost=on_lost
            )
        self._close_later(subscription.aclose)
        return subscription

    async def reader(self, stream: Stream, name: str, start: Start) -> StreamReader:
        """A reader from ``start`` to what is last now."""
        async with asyncio.timeout(CALL_S):
            reader = await stream.reader(name, start, follow=False, prefetch=100)
        self._close_later(reader.aclose)
        return reader

    def has_native(self, capability: str) -> bool:
        """Whether the backend that was opened last has a capability of its own."""
        return self.capabilities.level(capability) is Support.NATIVE

    def message(self, topic: str, number: int, *, partitions: int = 1) -> Message:
        """Message ``number`` of this run; whatever must travel has a value of its own."""
        return Message(
            topic=topic,
            body=f'{{"number": {number}, "city": "Zürich"}}'.encode(),
            id=f"{self.run}-{number}",
            timestamp=time.time(),
            headers={"Seam-Run": self.run, "place": "Zürich, 東京"},
            key=f"key-{number}",
            partition=number % partitions,
            correlation_id=f"talk-{self.run}",
        )

    async def aclose(self) -> None:
        """Close everything, last opened first."""
        await self._stack.aclose()

    def _close_later(self, close: Callable[..., Awaitable[None]]) -> None:
        self._stack.push_async_callback(_close_twice, close)


async def _close_twice(close: Callable[..., Awaitable[None]]) -> None:
    """Close within the limit; a second close does nothing and fails neither."""
    async with asyncio.timeout(CALL_S + OVER_S):
        await close(timeout_s=CALL_S)
    async with asyncio.timeout(CALL_S + OVER_S):
        await close(timeout_s=CALL_S)


async def _remove_group(broker: Broker, topic: str, group: str) -> None:
    """Remove a group, once the backend has seen that its members left."""
    async with asyncio.timeout(CALL_S):
        while True:
            try:
                await broker.management().remove_group(topic, group)
            except Busy:
                await asyncio.sleep(0.1)  # between two looks at the condition
            else:
                return
