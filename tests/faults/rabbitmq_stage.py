"""A RabbitMQ server of a test's own, drivers on it, and a flow of messages to disturb."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from anymq.message import Delivery
from anymq.outcome import ACK, Confirmed, Rejected, Settlement
from anymq.urls import parse_url
from anymq_rabbitmq.broker import RabbitMQBroker
from anymq_rabbitmq.options import RabbitMQOptions
from tests.faults.proxied import Proxied, proxied
from tests.unit.rabbitmq.conftest import Rig
from tests.unit.rabbitmq.driving import join, message

__all__ = ["Flow", "ctl", "options_of", "own_server", "rig_on"]

CALL_S = 15.0
PREFETCH = 20


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """One for all tests of a module: they break it."""
    with proxied("rabbitmq", tmp_path_factory) as server:
        yield server


def options_of(url: str) -> RabbitMQOptions:
    """The options that a URL says."""
    parts = parse_url(url)
    return RabbitMQOptions.model_validate(
        {
            "scheme": parts.scheme,
            "host": parts.host,
            "port": parts.port,
            "username": parts.username,
            "password": parts.password,
            "path": parts.path,
        }
    )


@asynccontextmanager
async def rig_on(url: str) -> AsyncIterator[Rig]:
    """Drivers in a namespace of their own; what they made is removed at the end."""
    rig = Rig(options_of(url))
    try:
        yield rig
    finally:
        await rig.aclose()


def ctl(server: Proxied, *arguments: str) -> str:
    """rabbitmqctl on it."""
    return server.call("rabbitmq-tool", "rabbitmqctl", "-q", *arguments)


class Flow:
    """Two publishers and two members of a group, and what became of each message."""

    def __init__(self, broker: RabbitMQBroker, other: RabbitMQBroker) -> None:
        self._brokers = (broker, other)
        self.confirmed: set[str] = set()
        self.rejected: list[Rejected] = []
        self.seen: Counter[str] = Counter()
        self.unflagged: list[str] = []
        """Duplicates that did not say so."""
        self._ends = asyncio.Event()
        self._news = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Flow]:
        """Publish and consume for a block; then all that was confirmed arrives, or it raises."""
        async with asyncio.TaskGroup() as tasks:
            members = [tasks.create_task(self._consume(b)) for b in self._brokers]
            publishers = [tasks.create_task(self._publish(b)) for b in self._brokers]
            yield self
            await self.confirm(len(self.confirmed) + 50)
            self._ends.set()
            await asyncio.wait(publishers)
            async with asyncio.timeout(4 * CALL_S):
                while self.confirmed - self.seen.keys():
                    self._news.clear()
                    await self._news.wait()
            for member in members:
                member.cancel()

    async def confirm(self, count: int) -> None:
        """Wait until so many are confirmed in all."""
        async with asyncio.timeout(4 * CALL_S):
            while len(self.confirmed) < count:
                self._news.clear()
                await self._news.wait()

    async def _publish(self, broker: RabbitMQBroker) -> None:
        while not self._ends.is_set():
            sent = message()
            sent.body = b"x" * 200
            # An unknown outcome is repeated with the same id, as core does.
            for _ in range(20):
                (result,) = await broker.send([sent], timeout_s=5.0)
                if isinstance(result, Confirmed):
                    self.confirmed.add(sent.id)
                if isinstance(result, Rejected):
                    self.rejected.append(result)
                if not self._is_open(result):
                    break
            self._news.set()
            await asyncio.sleep(0.005)  # 200 a second and publisher

    @staticmethod
    def _is_open(result: object) -> bool:
        return not isinstance(result, Confirmed | Rejected)

    async def _consume(self, broker: RabbitMQBroker) -> None:
        desk = await join(broker, "desk", prefetch=PREFETCH)
        while True:
            deliveries = await desk.receive(max_messages=PREFETCH, wait_s=1.0)
            for delivery in deliveries:
                self._note(delivery)
            await desk.settle([Settlement(d, ACK) for d in deliveries], timeout_s=5.0)

    def _note(self, delivery: Delivery) -> None:
        if self.seen[delivery.id] and not delivery.redelivered:
            self.unflagged.append(delivery.id)
        self.seen[delivery.id] += 1
        self._news.set()
