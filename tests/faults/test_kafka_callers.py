"""Callers on Kafka that give up, block the loop, or lose their topic (FAULTS F12 to F14, F34)."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from anymq.errors import TopologyError
from anymq.outcome import SETTLED
from tests.unit.kafka.bench import CALL_S, Bench

pytestmark = pytest.mark.server("kafka")
TIMES = 200
BLOCKED_S = 15
QUIET_S = 1.0


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Brokers and messages of one test; what they made is removed when it ends."""
    bench = Bench(os.environ["ANYMQ_TEST_KAFKA_URL"], f"faults-{uuid4().hex[:8]}")
    try:
        yield bench
    finally:
        await bench.aclose()


async def test_f12_cancelled_sends_harm_no_other(bench: Bench) -> None:
    """Cancelled at 0 to 0.3 ms: each is stored once or not at all, and the next is confirmed."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    cancelled: set[str] = set()
    confirmed: set[str] = set()
    async with asyncio.TaskGroup() as group:
        for number in range(TIMES):
            message = bench.message("news", number)
            sending = group.create_task(broker.send([message], timeout_s=CALL_S))
            await asyncio.sleep(0.0003 * (number % 4) / 3)
            sending.cancel()
            await asyncio.wait([sending], timeout=CALL_S)
            (cancelled if sending.cancelled() else confirmed).add(message.id)
    assert cancelled

    await bench.send(broker, bench.message("news", TIMES))

    async with bench.member(broker, "news", "desk", prefetch=2 * TIMES) as desk:
        seen: Counter[str] = Counter()
        while f"news-{TIMES}" not in seen:
            for delivery in await bench.collect(desk, 1):
                seen[delivery.id] += 1
                assert await bench.ack(desk, delivery) == [SETTLED]
        assert not await desk.receive(max_messages=10, wait_s=QUIET_S)
    assert confirmed <= seen.keys() <= confirmed | cancelled | {f"news-{TIMES}"}
    assert set(seen.values()) == {1}


async def test_f13_a_cancelled_receive_loses_nothing(bench: Bench) -> None:
    """What a cancelled receive would have returned comes with the next one."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    seen: Counter[str] = Counter()
    ended_early = 0
    async with bench.member(broker, "news", "desk", prefetch=TIMES) as desk:
        for number in range(TIMES // 4):
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(desk.receive(max_messages=5, wait_s=CALL_S))
                await bench.send(broker, bench.message("news", number))
                receiving.cancel()
            if receiving.cancelled():
                ended_early += 1
            else:
                seen.update(delivery.id for delivery in receiving.result())
        left = await bench.collect(desk, TIMES // 4 - seen.total())
        seen.update(delivery.id for delivery in left)
        assert not await desk.receive(max_messages=10, wait_s=QUIET_S)
    assert ended_early
    assert seen == Counter(f"news-{number}" for number in range(TIMES // 4))


async def test_f14_a_blocked_loop_keeps_its_partitions(bench: Bench) -> None:
    """The thread goes on polling and beating: nothing is lost, and the settlement still counts."""
    broker = await bench.broker(session_timeout_s=6)
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        await bench.send(broker, bench.message("news", 1))
        (held,) = await bench.collect(desk, 1)

        time.sleep(BLOCKED_S)  # noqa: ASYNC251  # the fault itself

        assert await bench.ack(desk, held) == [SETTLED]
        assert not bench.lost
        await bench.send(broker, bench.message("news", 2))
        (later,) = await bench.collect(desk, 1)
        assert later.id == "news-2"


async def test_f34_a_deleted_topic_is_told(bench: Bench) -> None:
    """The consumer does not hang: receive says within 15 s that its topic is gone."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        for future in bench.admin.delete_topics([f"{bench.namespace}.news"]).values():
            await asyncio.wrap_future(future)

        with pytest.raises(TopologyError, match="news"):
            await bench.collect(desk, 1, within_s=15)
