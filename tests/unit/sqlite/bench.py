"""What the tests of the SQLite driver share: Brokers on one file, messages, and a look inside."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

from anymq.abc import BackendContext, BackendEvent, Stream, Subscription
from anymq.message import Delivery, Message
from anymq.outcome import ACK, Outcome, Settlement
from anymq.support.clock import SystemClock
from anymq.topology import GroupSpec, Order, Source, TopicSpec, Topology, TopologyMode
from anymq_sqlite.broker import SqliteBroker
from anymq_sqlite.options import SqliteOptions
from anymq_sqlite.stream import SqliteStream

__all__ = ["CALL_S", "Bench", "bodies"]

CALL_S = 5.0


class Bench:
    """Opens what a test needs on one file, and closes it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.events: list[BackendEvent] = []
        self._stack = AsyncExitStack()
        self._numbers = count()

    def options(self, **options: Any) -> SqliteOptions:
        """Options for the file."""
        return SqliteOptions(path=str(self.file), **options)

    async def broker(self, *, namespace: str = "", **options: Any) -> SqliteBroker:
        """An open Broker."""
        broker = SqliteBroker(self.options(**options), _context(namespace))
        self._stack.push_async_callback(broker.aclose, timeout_s=CALL_S)
        await broker.open(self.events.append)
        return broker

    async def stream(self, **options: Any) -> Stream:
        """An open Stream."""
        stream = SqliteStream(self.options(**options), _context(""))
        self._stack.push_async_callback(stream.aclose, timeout_s=CALL_S)
        await stream.open(self.events.append)
        return stream

    async def declare(
        self, broker: SqliteBroker, topic: str, *groups: str, order: Order = "none"
    ) -> None:
        """One topic and its groups."""
        topology = Topology((TopicSpec(topic),), tuple(GroupSpec(topic, g, order) for g in groups))
        await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)

    async def ready(self, *, order: Order = "none", **options: Any) -> SqliteBroker:
        """An open Broker with the topic ``t`` and its group ``g``."""
        broker = await self.broker(**options)
        await self.declare(broker, "t", "g", order=order)
        return broker

    async def subscribe(
        self, broker: SqliteBroker, topic: str = "t", group: str | None = "g", **options: Any
    ) -> Subscription:
        """A member of a group."""
        prefetch = options.pop("prefetch", 100)
        on_lost = options.pop("on_lost", lambda _lost: None)
        source = Source((topic,), group, **options)
        return await broker.subscribe(source, prefetch=prefetch, on_lost=on_lost)

    def message(self, body: bytes = b"{}", topic: str = "t", **fields: Any) -> Message:
        """A message with an id of its own."""
        return Message(topic, body, f"id-{next(self._numbers)}", time.time(), **fields)

    async def send(self, broker: SqliteBroker, *messages: Message, **options: Any) -> list[Any]:
        """Send; the results."""
        return list(await broker.send(messages, timeout_s=CALL_S, **options))

    async def take(self, subscription: Subscription, count: int) -> list[Delivery]:
        """So many deliveries."""
        taken: list[Delivery] = []
        async with asyncio.timeout(CALL_S):
            while len(taken) < count:
                taken += await subscription.receive(max_messages=count - len(taken), wait_s=1.0)
        return taken

    async def nothing(self, subscription: Subscription, for_s: float = 0.15) -> None:
        """Fail if something comes."""
        assert list(await subscription.receive(max_messages=10, wait_s=for_s)) == []

    async def settle(
        self, subscription: Subscription, *taken: Delivery, outcome: Outcome = ACK, **fields: Any
    ) -> list[Any]:
        """Settle all alike; the results."""
        items = [Settlement(delivery, outcome, **fields) for delivery in taken]
        return list(await subscription.settle(items, timeout_s=CALL_S))

    def query(self, statement: str, *values: Any) -> list[Any]:
        """What a connection of our own reads (or writes)."""
        with closing(sqlite3.connect(self.file, timeout=CALL_S, isolation_level=None)) as found:
            return found.execute(statement, values).fetchall()

    async def aclose(self) -> None:
        """Close everything."""
        await self._stack.aclose()


def bodies(taken: Sequence[Delivery]) -> list[bytes]:
    """The bodies of deliveries, in their order."""
    return [delivery.body for delivery in taken]


def _context(namespace: str) -> BackendContext:
    return BackendContext(SystemClock(), namespace=namespace, client_id="test")
