"""One test's brokers, messages, and its own look at the server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from anymq.abc import BackendContext, BackendEvent
from anymq.message import Delivery, Message
from anymq.outcome import Confirmed, Outcome, Settlement, SettleResult
from anymq.support.clock import SystemClock
from anymq.topology import GroupSpec, Order, Source, TopicSpec, Topology, TopologyMode
from anymq_redis.broker import RedisBroker
from anymq_redis.condition import Condition
from anymq_redis.link import Link
from anymq_redis.options import RedisOptions
from anymq_redis.stream import RedisStream
from anymq_redis.subscription import RedisSubscription

__all__ = ["CALL_S", "Bench"]

CALL_S = 5.0
"""The time given to one call."""


class Bench:
    """Everything is closed, and every key removed, by ``aclose``."""

    def __init__(self, url: str, namespace: str) -> None:
        self._url = urlsplit(url)
        self.namespace = namespace
        self.clock = SystemClock()
        self.events: list[BackendEvent] = []
        self.lost: list[Delivery] = []
        self.context = BackendContext(self.clock, namespace=namespace, client_id="bench")
        self._stack = AsyncExitStack()
        self._link = Link(self.options(), Condition("bench"), name="bench")

    def options(self, **more: Any) -> RedisOptions:
        """Options for the server."""
        given: dict[str, Any] = {
            "host": self._url.hostname,
            "port": self._url.port,
            "username": self._url.username,
            "password": self._url.password,
            "path": self._url.path.removeprefix("/"),
        }
        return RedisOptions(**given | more)

    async def broker(self, **options: Any) -> RedisBroker:
        """An open broker."""
        broker = RedisBroker(self.options(**options), self.context)
        self._stack.push_async_callback(broker.aclose, timeout_s=CALL_S)
        await broker.open(self.events.append)
        return broker

    async def stream(self, **options: Any) -> RedisStream:
        """An open stream connection."""
        stream = RedisStream(self.options(**options), self.context)
        self._stack.push_async_callback(stream.aclose, timeout_s=CALL_S)
        await stream.open(self.events.append)
        return stream

    async def declare(
        self, broker: RedisBroker, topic: str, *groups: str, partitions: int = 1
    ) -> None:
        """Declare a topic and its groups."""
        topology = Topology(
            (TopicSpec(topic, partitions=partitions),),
            tuple(GroupSpec(topic, group) for group in groups),
        )
        await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)

    async def member(
        self,
        broker: RedisBroker,
        topic: str,
        group: str | None,
        *,
        prefetch: int = 100,
        order: Order = "none",
    ) -> RedisSubscription:
        """A member of a group, or an anonymous one."""
        return await broker.subscribe(
            Source((topic,), group, order), prefetch=prefetch, on_lost=self.lost.extend
        )

    def message(self, topic: str, number: int = 0, **fields: Any) -> Message:
        """A message; its id tells the number."""
        given = {"body": b"%d" % number, "id": f"{topic}-{number}", "timestamp": self.clock.time()}
        return Message(topic, **given | fields)

    async def call(self, *command: Any) -> Any:
        """Ask the server itself."""
        return await self._link.call(*command, timeout_s=CALL_S)

    async def send(self, broker: RedisBroker, *messages: Message) -> None:
        """Send one batch, all of it confirmed."""
        results = await broker.send(messages, timeout_s=CALL_S)
        assert all(isinstance(result, Confirmed) for result in results), results

    async def collect(
        self, member: RedisSubscription, count: int, *, within_s: float = CALL_S
    ) -> list[Delivery]:
        """The next ``count`` deliveries."""
        found: list[Delivery] = []
        async with asyncio.timeout(within_s):
            while len(found) < count:
                found += await member.receive(max_messages=count - len(found), wait_s=within_s)
        return found

    async def settle(
        self, member: RedisSubscription, outcome: Outcome, *deliveries: Delivery
    ) -> Sequence[SettleResult]:
        """Give every delivery the same outcome."""
        items = [Settlement(delivery, outcome, delivery.message) for delivery in deliveries]
        return await member.settle(items, timeout_s=CALL_S)

    async def pending(self, topic: str, group: str) -> int:
        """How many entries of the main stream are delivered and not settled."""
        return int((await self.call("XPENDING", self.key(topic), group))[0])

    async def until_pending(self, topic: str, group: str, count: int) -> None:
        """Wait until so many entries are delivered: the server tells nobody when."""
        async with asyncio.timeout(CALL_S):
            while await self.pending(topic, group) != count:  # noqa: ASYNC110  # a remote state
                await asyncio.sleep(0.01)

    def key(self, topic: str) -> str:
        """A topic's physical name."""
        return self.context.physical(topic)

    async def aclose(self) -> None:
        """Close, then remove."""
        await self._stack.aclose()
        cursor = b"0"
        while True:
            cursor, keys = await self.call("SCAN", cursor, "MATCH", f"*{self.namespace}*")
            if keys:
                await self.call("UNLINK", *keys)
            if cursor == b"0":
                break
        await self._link.aclose()
