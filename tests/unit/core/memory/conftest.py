"""Brokers on a space and a clock of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from anymq.abc import BackendContext
from anymq.memory.broker import MemoryBroker
from anymq.memory.options import MemoryOptions
from anymq.memory.space import Space
from anymq.memory.subscription import MemorySubscription
from anymq.message import Delivery, Message
from anymq.outcome import SendResult
from anymq.testing.fake_clock import FakeClock
from anymq.topology import GroupSpec, Source, TopicSpec, Topology, TopologyMode
from tests.unit.core.doubles import a_message

MakeBroker = Callable[..., Awaitable[MemoryBroker]]


class Rig:
    """One broker, its clock, and what its subscriptions lost."""

    def __init__(self, broker: MemoryBroker, clock: FakeClock) -> None:
        self.broker = broker
        self.clock = clock
        self.lost: list[Delivery] = []

    @property
    def space(self) -> Space:
        return self.broker.space

    async def declare(self, *groups: GroupSpec, topics: Sequence[TopicSpec] = ()) -> None:
        """Declare topics, those of the groups included."""
        names = dict.fromkeys([g.topic for g in groups if g.topic.isalnum()], None)
        specs = [TopicSpec(name) for name in names if name not in {t.name for t in topics}]
        topology = Topology((*topics, *specs), groups)
        await self.broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=1)

    async def send(self, *numbers: int, **fields: Any) -> Sequence[SendResult]:
        """Send messages with these numbers."""
        return await self.broker.send([a_message(n, **fields) for n in numbers], timeout_s=1)

    async def join(
        self, *topics: str, group: str | None = "g", prefetch: int = 10, **fields: Any
    ) -> MemorySubscription:
        """Subscribe; what is lost is remembered."""
        source = Source(topics or ("t",), group, **fields)
        return await self.broker.subscribe(source, prefetch=prefetch, on_lost=self.lost.extend)

    async def take(self, subscription: MemorySubscription, limit: int = 10) -> list[Delivery]:
        """What is there now."""
        return list(await subscription.receive(max_messages=limit, wait_s=0))

    async def state(self, topic: str = "t") -> Any:
        """The only group of a topic."""
        (group,) = await self.broker.management().groups(topic)
        return group


def ids(deliveries: Sequence[Delivery | Message]) -> list[str]:
    """Their ids, in order."""
    return [one.id for one in deliveries]


@pytest.fixture
async def rig(url: str) -> AsyncIterator[Rig]:
    """A broker with topic ``t`` and its group ``g``."""
    clock = FakeClock(start=1000.0)
    options = MemoryOptions(host=url.removeprefix("memory://"), lease_s=30, max_messages=5)
    broker = MemoryBroker(options, BackendContext(clock))
    await broker.open(lambda event: None)
    made = Rig(broker, clock)
    await made.declare(GroupSpec("t", "g"))
    yield made
    await broker.aclose(timeout_s=1)
