"""Members of a group that come and go all the time (FAULTS F40)."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from anymq.abc import Broker
from anymq.outcome import Confirmed, Settled
from anymq.topology import Source
from tests.unit.kafka.bench import CALL_S, Bench

pytestmark = [pytest.mark.server("kafka"), pytest.mark.exclusive, pytest.mark.long]

PARTITIONS = 4
STORM_S = 30.0
STAY_S = 2.0
UNOWNED_S = 10.0
DRAIN_S = 30.0
PREFETCH = 16


class Storm:
    """What was confirmed, what was handled by whom, and the longest silence of a partition."""

    def __init__(self, bench: Bench, broker: Broker) -> None:
        self._bench = bench
        self._broker = broker
        self.until = time.monotonic() + STORM_S
        self.confirmed: set[str] = set()
        self.handled: set[str] = set()
        self.settled: Counter[str] = Counter()
        self.unflagged: Counter[str] = Counter()
        self.silence_s = 0.0
        self._heard = dict.fromkeys(range(PARTITIONS), time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether nobody joins any more."""
        return time.monotonic() >= self.until

    async def publish(self) -> None:
        """A message to every partition, twenty times a second."""
        number = 0
        while not self.is_over:
            batch = [
                self._bench.message("news", number + n, partition=n) for n in range(PARTITIONS)
            ]
            number += PARTITIONS
            results = await self._broker.send(batch, timeout_s=CALL_S)
            for message, result in zip(batch, results, strict=True):
                assert isinstance(result, Confirmed), result
                self.confirmed.add(message.id)
            await asyncio.sleep(0.05)  # the pace

    async def stay(self, leave_at: float) -> None:
        """Be a member until then, and handle what comes."""
        member = await self._broker.subscribe(
            Source(("news",), "desk"), prefetch=PREFETCH, on_lost=self._bench.lost.extend
        )
        try:
            while time.monotonic() < leave_at and not self.is_drained():
                found = await member.receive(max_messages=PREFETCH, wait_s=0.5)
                results = await self._bench.ack(member, *found)
                for delivery, result in zip(found, results, strict=True):
                    self._note(delivery.partition)
                    self.handled.add(delivery.id)
                    self.settled[delivery.id] += isinstance(result, Settled)
                    if not delivery.redelivered and (delivery.delivery_count or 1) == 1:
                        self.unflagged[delivery.id] += 1
        finally:
            await member.aclose(timeout_s=CALL_S)

    async def visit(self) -> None:
        """Join for a while, leave, and join again."""
        while not self.is_over:
            await self.stay(time.monotonic() + STAY_S)

    def is_drained(self) -> bool:
        """Whether the storm is over and everything confirmed was handled."""
        return self.is_over and self.confirmed <= self.handled

    def _note(self, partition: int) -> None:
        now = time.monotonic()
        if not self.is_over:
            self.silence_s = max(self.silence_s, now - self._heard[partition])
        self._heard[partition] = now


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Brokers and messages of one test; what they made is removed when it ends."""
    bench = Bench(os.environ["ANYMQ_TEST_KAFKA_URL"], f"faults-{uuid4().hex[:8]}")
    try:
        yield bench
    finally:
        await bench.aclose()


async def test_a_rebalance_storm_loses_nothing(bench: Bench) -> None:
    """One stays, two come and go every two seconds: each message settled once, none silent long."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk", partitions=PARTITIONS)
    storm = Storm(bench, broker)

    async with asyncio.TaskGroup() as group:
        group.create_task(storm.publish())
        group.create_task(storm.stay(storm.until + DRAIN_S))
        for _ in range(2):
            group.create_task(storm.visit())

    assert len(storm.confirmed) > 100 * PARTITIONS
    assert storm.confirmed <= storm.handled, "lost"
    assert set(storm.settled.values()) <= {0, 1}, "settled twice"
    assert set(storm.unflagged.values()) <= {1}, "a repetition was not flagged"
    assert storm.silence_s < UNOWNED_S
