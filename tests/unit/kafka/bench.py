"""One test's brokers, messages, and its own look at the cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka.admin import AdminClient

from anymq.abc import BackendContext, BackendEvent, Stream, Subscription
from anymq.message import Delivery, Message
from anymq.outcome import ACK, Confirmed, Settlement, SettleResult
from anymq.support.clock import SystemClock
from anymq.topology import GroupSpec, Source, TopicSpec, Topology, TopologyMode
from anymq_kafka.broker import KafkaBroker
from anymq_kafka.options import KafkaOptions
from anymq_kafka.stream import KafkaStream

__all__ = ["CALL_S", "JOIN_S", "Bench"]

CALL_S = 10.0
"""The time given to one call."""
JOIN_S = 20.0
"""By when a member has its partitions and the first deliveries."""


class Bench:
    """Everything is closed, and every topic removed, by ``aclose``."""

    def __init__(self, url: str, namespace: str) -> None:
        self.namespace = namespace
        self.events: list[BackendEvent] = []
        self.lost: list[Delivery] = []
        self.bootstrap = urlsplit(url).netloc
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        self._stack = AsyncExitStack()

    def options(self, **more: Any) -> KafkaOptions:
        """Options for the cluster."""
        address = urlsplit(f"kafka://{self.bootstrap}")
        return KafkaOptions(host=address.hostname, port=address.port, **more)

    async def broker(self, **options: Any) -> KafkaBroker:
        """An open broker."""
        broker = KafkaBroker(self.options(**options), self._context())
        self._stack.push_async_callback(broker.aclose, timeout_s=CALL_S)
        await broker.open(self.events.append)
        return broker

    async def stream(self) -> Stream:
        """An open stream connection."""
        stream = KafkaStream(self.options(), self._context())
        self._stack.push_async_callback(stream.aclose, timeout_s=CALL_S)
        await stream.open(self.events.append)
        return stream

    async def declare(
        self,
        broker: KafkaBroker,
        topic: str,
        *groups: str,
        partitions: int = 1,
        mode: TopologyMode = TopologyMode.MANAGE,
    ) -> None:
        """Declare a topic and its groups."""
        topology = Topology(
            (TopicSpec(topic, partitions=partitions),),
            tuple(GroupSpec(topic, group) for group in groups),
        )
        await broker.declare(topology, mode=mode, timeout_s=CALL_S)

    @asynccontextmanager
    async def member(
        self, broker: KafkaBroker, topic: str, group: str | None, *, prefetch: int = 100
    ) -> AsyncIterator[Subscription]:
        """A member of a group, or an anonymous one, for the block."""
        subscription = await broker.subscribe(
            Source((topic,), group), prefetch=prefetch, on_lost=self.lost.extend
        )
        try:
            yield subscription
        finally:
            await subscription.aclose(timeout_s=CALL_S)

    def message(self, topic: str, number: int = 0, **fields: Any) -> Message:
        """A message; its id tells the number."""
        given: dict[str, Any] = {
            "body": b"%d" % number,
            "id": f"{topic}-{number}",
            "timestamp": time.time(),
        }
        return Message(topic, **given | fields)

    async def send(self, broker: KafkaBroker, *messages: Message) -> None:
        """Send one batch, all of it confirmed."""
        results = await broker.send(messages, timeout_s=CALL_S)
        assert all(isinstance(result, Confirmed) for result in results), results

    async def collect(
        self, member: Subscription, count: int, *, within_s: float = JOIN_S
    ) -> list[Delivery]:
        """The next ``count`` deliveries."""
        found: list[Delivery] = []
        async with asyncio.timeout(within_s):
            while len(found) < count:
                found += await member.receive(max_messages=count - len(found), wait_s=within_s)
        return found

    async def ack(self, member: Subscription, *deliveries: Delivery) -> Sequence[SettleResult]:
        """Acknowledge deliveries."""
        return await member.settle([Settlement(d, ACK) for d in deliveries], timeout_s=CALL_S)

    def topics(self) -> set[str]:
        """The topics of this name space, as the cluster tells."""
        names = self.admin.list_topics(timeout=CALL_S).topics
        return {name for name in names if name.startswith(f"{self.namespace}.")}

    async def members(self, topic: str, group: str) -> int:
        """How many members the cluster counts in a group of this name space."""
        group_id = f"{self.namespace}.{topic}.{group}"
        asked = self.admin.describe_consumer_groups([group_id], request_timeout=CALL_S)
        return len((await asyncio.wrap_future(asked[group_id])).members)

    async def aclose(self) -> None:
        """Close what was opened, last first, and remove the topics."""
        await self._stack.aclose()
        topics = await asyncio.to_thread(self.topics)
        if topics:
            for future in self.admin.delete_topics(list(topics)).values():
                await asyncio.wrap_future(future)

    def _context(self) -> BackendContext:
        return BackendContext(SystemClock(), namespace=self.namespace, client_id="unit")
