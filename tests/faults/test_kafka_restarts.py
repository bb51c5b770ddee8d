"""Kafka's broker killed, stopped and restarted under load (FAULTS F01 to F03)."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from anymq.abc import Broker, Subscription
from anymq.outcome import Confirmed, Rejected
from anymq.topology import Source
from anymq_kafka.harness import KafkaHarness
from tests.unit.kafka.bench import Bench

pytestmark = [pytest.mark.server("kafka"), pytest.mark.exclusive]
SEND_S = 10.0
OVER_S = 0.5
RESUME_S = 15.0
PREFETCH = 32
WINDOW = 8
PUBLISHERS = 2
CONSUMERS = 2


@dataclass(slots=True)
class Record:
    """What was tried and what came of it, by message id."""

    confirmed: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    handled: Counter[str] = field(default_factory=Counter)
    unflagged: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    is_over: bool = False

    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool], *, within_s: float) -> None:
        """Wait until something holds; looked at whenever a result or a delivery comes."""
        async with asyncio.timeout(within_s):
            while not condition():
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Brokers and messages of one test; what they made is removed when it ends."""
    bench = Bench(os.environ["ANYMQ_TEST_KAFKA_URL"], f"faults-{uuid4().hex[:8]}")
    try:
        yield bench
    finally:
        await bench.aclose()


async def _publish(bench: Bench, broker: Broker, record: Record, first: int) -> None:
    loop = asyncio.get_running_loop()
    number = first
    while not record.is_over:
        batch = [bench.message("news", number + each) for each in range(WINDOW)]
        number += WINDOW
        began = loop.time()
        results = await broker.send(batch, timeout_s=SEND_S)
        record.slowest_s = max(record.slowest_s, loop.time() - began)
        for message, result in zip(batch, results, strict=True):
            if isinstance(result, Confirmed):
                record.confirmed.add(message.id)
            elif isinstance(result, Rejected):
                record.rejected.add(message.id)
            else:
                record.unknown.add(message.id)
        record.news.set()
        await asyncio.sleep(0.04)  # 200 messages a second


async def _consume(bench: Bench, desk: Subscription, record: Record) -> None:
    while True:
        found = await desk.receive(max_messages=PREFETCH, wait_s=1)
        for delivery in found:
            record.handled[delivery.id] += 1
            if not delivery.redelivered and (delivery.delivery_count or 1) == 1:
                record.unflagged[delivery.id] += 1
        record.news.set()
        await bench.ack(desk, *found)


@pytest.mark.parametrize(
    ("fault", "mend", "lasts_s"),
    [
        pytest.param("kill", "restart", 2, id="f01"),
        pytest.param("pause", "resume", 20, id="f02", marks=pytest.mark.long),
        pytest.param("restart", None, 0, id="f03", marks=pytest.mark.long),
    ],
)
async def test_nothing_confirmed_is_lost(
    bench: Bench, fault: str, mend: str | None, lasts_s: float
) -> None:
    """Sends end in time, work resumes by itself, and extras are few."""
    harness = KafkaHarness()
    record = Record()
    publisher = await bench.broker()
    await bench.declare(publisher, "news", "desk", partitions=2)
    async with asyncio.TaskGroup() as group:
        consuming = []
        for _ in range(CONSUMERS):
            broker = await bench.broker()
            desk = await group.create_task(_join(bench, broker))
            consuming.append(group.create_task(_consume(bench, desk, record)))
        publishing = [
            group.create_task(_publish(bench, publisher, record, first * 1_000_000))
            for first in range(PUBLISHERS)
        ]
        try:
            await record.until(lambda: len(record.handled) >= 100, within_s=30)

            await harness.disrupt(fault)  # type: ignore[arg-type]  # one of the kit's words
            if mend is not None:
                await asyncio.sleep(lasts_s)  # how long the fault lasts
                await harness.disrupt(mend)  # type: ignore[arg-type]  # one of the kit's words

            confirmed, handled = len(record.confirmed) + 50, len(record.handled) + 50
            await record.until(lambda: len(record.confirmed) >= confirmed, within_s=RESUME_S)
            await record.until(lambda: len(record.handled) >= handled, within_s=RESUME_S)
            record.is_over = True
            await asyncio.wait(publishing)
            await record.until(lambda: record.confirmed <= record.handled.keys(), within_s=30)
        finally:
            for task in (*publishing, *consuming):
                task.cancel()

    print(_counters(record))
    extras = record.handled.total() - len(record.handled)
    assert record.slowest_s <= SEND_S + OVER_S
    assert not record.rejected
    assert record.handled.keys() <= record.confirmed | record.unknown
    assert set(record.unflagged.values()) <= {0, 1}, "an extra delivery was not flagged"
    assert extras <= CONSUMERS * PREFETCH + PUBLISHERS * WINDOW


async def _join(bench: Bench, broker: Broker) -> Subscription:
    return await broker.subscribe(
        Source(("news",), "desk"), prefetch=PREFETCH, on_lost=bench.lost.extend
    )


def _counters(record: Record) -> dict[str, int]:
    """The seven counters of a run."""
    handled, told = record.handled, record.confirmed | record.unknown
    return {
        "attempted": len(told) + len(record.rejected),
        "confirmed": len(record.confirmed),
        "unknown": len(record.unknown),
        "handled": len(handled),
        "duplicated": handled.total() - len(handled),
        "lost": len(record.confirmed - handled.keys()),
        "unexpected": len(handled.keys() - told),
    }
