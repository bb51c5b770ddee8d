"""Records deleted before a group has read them: it goes on behind them, and says so (F35)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition

from tests.unit.kafka.bench import CALL_S, Bench

pytestmark = pytest.mark.server("kafka")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Brokers and messages of one test; what they made is removed when it ends."""
    bench = Bench(os.environ["ANYMQ_TEST_KAFKA_URL"], f"faults-{uuid4().hex[:8]}")
    try:
        yield bench
    finally:
        await bench.aclose()


def _trim(bench: Bench, first: int) -> None:
    """Delete what is before an offset, as retention does."""
    at = TopicPartition(f"{bench.namespace}.news", 0, first)
    for future in bench.admin.delete_records([at]).values():
        future.result(CALL_S)


async def test_a_group_that_fell_behind_reads_what_is_left(bench: Bench) -> None:
    """Seven of ten are gone: three come, the seven are counted and told, commits go on."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, *[bench.message("news", n) for n in range(10)])
    _trim(bench, 7)

    async with bench.member(broker, "news", "desk") as member:
        left = await bench.collect(member, 3)
        await bench.ack(member, *left)

    assert [delivery.id for delivery in left] == ["news-7", "news-8", "news-9"]
    assert (await broker.health()).facts["lost_trimmed"] == "7"
    told = [event.detail for event in bench.events if event.kind == "degraded"]
    assert len(told) == 1
    assert told[0].startswith("7 record(s)")
    async with bench.member(broker, "news", "desk") as heir:
        assert await heir.receive(max_messages=10, wait_s=1.0) == []


async def test_an_anonymous_subscription_that_fell_behind_goes_on(bench: Bench) -> None:
    """Held up with one in hand, it loses what was deleted meanwhile, and reads the rest."""
    broker = await bench.broker()
    await bench.declare(broker, "news")
    async with bench.member(broker, "news", None, prefetch=1) as member:
        await bench.send(broker, bench.message("news", 0))
        held = await bench.collect(member, 1)
        await member.pause()
        await bench.send(broker, *[bench.message("news", n) for n in range(1, 400)])
        _trim(bench, 400)
        await bench.send(broker, bench.message("news", 400))
        await bench.ack(member, *held)
        await member.resume()
        rest = [(await bench.collect(member, 1))[0]]
        while rest[-1].id != "news-400":
            await bench.ack(member, rest[-1])
            rest += await bench.collect(member, 1)

    read = len(rest) + len(held)
    counted = int((await broker.health()).facts["lost_trimmed"])
    assert read + counted == 401
