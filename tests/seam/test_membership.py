"""Scenario 5: members join and leave while handlers run, and messages keep coming."""

from __future__ import annotations

import asyncio

from anymq.abc import Broker, Subscription
from tests.seam.members import PREFETCH, Ledger, Member
from tests.seam.seam import Seam
from tests.seam.traffic import ack, collect, ids, nothing_comes, send

PARTITIONS = 3
CHANGES = 2
JOIN_S = 30.0
"""By when a new member has its first delivery, Kafka's rebalance on a busy machine included."""


async def test_joining_and_leaving_loses_nothing(seam: Seam) -> None:
    """One joins, one leaves, both hold a delivery meanwhile: duplicates only of what was held."""
    broker = await seam.open_broker()
    await seam.declare(broker, "news", "desk", partitions=PARTITIONS)
    ledger, traffic = Ledger(), _Traffic(seam, broker)
    stays, leaves = Member(ledger), Member(ledger)

    async with asyncio.TaskGroup() as members:
        first = await _join(seam, broker, stays, members)
        await traffic.until(stays.holding)
        second = await _join(seam, broker, leaves, members)
        await traffic.until(leaves.holding)
        await traffic.wave()
        await leaves.leave(second)
        await traffic.wave()
        stays.let_go()
        await ledger.wait_settled(traffic.sent, within_s=JOIN_S)
        await stays.leave(first)

    assert set(ledger.delivered) == set(traffic.sent)
    assert ledger.after_settlement == []
    assert max(ledger.delivered.values()) <= 1 + CHANGES
    assert ledger.delivered.total() - len(traffic.sent) <= CHANGES * 2 * PREFETCH
    await _nothing_is_left(seam, broker)


async def _join(
    seam: Seam, broker: Broker, member: Member, members: asyncio.TaskGroup
) -> Subscription:
    subscription = await seam.subscribe(
        broker, "news", "desk", prefetch=PREFETCH, on_lost=member.lost
    )
    members.create_task(member.run(subscription))
    return subscription


async def _nothing_is_left(seam: Seam, broker: Broker) -> None:
    """A new member gets what is sent from now on, and nothing of what was settled."""
    last = [seam.message("news", 10_000 + n, partitions=PARTITIONS) for n in range(PARTITIONS)]
    successor = await seam.subscribe(broker, "news", "desk")
    await send(broker, last)
    deliveries = await collect(successor, PARTITIONS, within_s=JOIN_S)
    assert sorted(ids(deliveries)) == sorted(ids(last))
    await ack(successor, deliveries)
    await nothing_comes(successor, for_s=0.5)


class _Traffic:
    """Messages that keep coming, a few for every partition at a time."""

    def __init__(self, seam: Seam, broker: Broker) -> None:
        self._seam = seam
        self._broker = broker
        self.sent: list[str] = []

    async def wave(self) -> None:
        """Send two messages to every partition."""
        begin = len(self.sent)
        numbers = range(begin, begin + 2 * PARTITIONS)
        batch = [self._seam.message("news", n, partitions=PARTITIONS) for n in numbers]
        self.sent += ids(batch)
        await send(self._broker, batch)

    async def until(self, event: asyncio.Event) -> None:
        """Send wave after wave until the event is set."""
        async with asyncio.timeout(JOIN_S):
            while not event.is_set():
                await self.wave()
                try:
                    await asyncio.wait_for(event.wait(), timeout=0.25)
                except TimeoutError:
                    continue
