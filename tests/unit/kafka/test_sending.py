"""Sending on a real broker: one honest result per entry, in the entry's place."""

from __future__ import annotations

import asyncio
import time

import pytest

from anymq.errors import ClosedError
from anymq.outcome import Confirmed, Rejected, Unknown
from anymq.support.partitioner import partition_of
from tests.unit.kafka.bench import CALL_S, Bench

pytestmark = pytest.mark.server("kafka")


async def test_each_entry_has_its_own_result(bench: Bench) -> None:
    """Undeclared and too large entries are rejected, at once, and hide no other."""
    broker = await bench.broker(max_message_bytes=100_000)
    await bench.declare(broker, "news")
    began = time.monotonic()

    results = await broker.send(
        [
            bench.message("news", 1),
            bench.message("nowhere", 2),
            bench.message("news", 3, body=bytes(300_000)),
            bench.message("news", 4),
            bench.message("news", 5, group="nobody", lane="retry"),
        ],
        timeout_s=CALL_S,
    )

    first, missing, large, last, no_group = results
    assert isinstance(first, Confirmed)
    assert first.position == "0:0"
    assert isinstance(last, Confirmed)
    assert last.position == "0:1"
    assert isinstance(missing, Rejected)
    assert missing.code == "not_found"
    assert isinstance(large, Rejected)
    assert large.code == "too_large"
    assert isinstance(no_group, Rejected)
    assert no_group.code == "not_found"
    assert time.monotonic() - began < CALL_S / 2


async def test_a_topic_declared_by_another_process_is_found_at_once(bench: Bench) -> None:
    """That a topic was missing is not remembered."""
    sender, other = await bench.broker(), await bench.broker()
    (before,) = await sender.send([bench.message("news", 1)], timeout_s=CALL_S)

    await bench.declare(other, "news")
    (after,) = await sender.send([bench.message("news", 2)], timeout_s=CALL_S)

    assert isinstance(before, Rejected)
    assert isinstance(after, Confirmed)


async def test_the_largest_message_we_promise_is_taken(bench: Bench) -> None:
    """A body of a whole MiB, above the broker's own default, with headers besides."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    body = bytes(1_048_576)
    headers = {"note": "x" * 8192}

    await bench.send(broker, bench.message("news", 1, body=body, headers=headers))

    async with bench.member(broker, "news", "desk", prefetch=1) as desk:
        (delivery,) = await bench.collect(desk, 1)
        assert delivery.body == body
        assert delivery.headers == headers


async def test_a_key_has_the_partition_that_core_and_java_compute(bench: Bench) -> None:
    """murmur2 of the key, for the empty and the accented one too."""
    broker = await bench.broker()
    await bench.declare(broker, "news", partitions=5)
    keys = ["", "a", "vendor-2", "Zürich", "key-42"]

    results = await broker.send(
        [bench.message("news", n, key=key) for n, key in enumerate(keys)], timeout_s=CALL_S
    )

    partitions = [int((r.position or "").split(":")[0]) for r in results if type(r) is Confirmed]
    assert partitions == [partition_of(key, 5) for key in keys]


async def test_calls_for_one_key_keep_their_order(bench: Bench) -> None:
    """Four overlapping calls: what was asked for first comes first."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk", partitions=3)
    batches = [
        [bench.message("news", 100 * call + n, key="k") for n in range(50)] for call in range(4)
    ]

    async with asyncio.TaskGroup() as calls:
        for batch in batches:
            calls.create_task(bench.send(broker, *batch))

    async with bench.member(broker, "news", "desk", prefetch=500) as desk:
        seen = [delivery.id for delivery in await bench.collect(desk, 200)]
    assert seen == [message.id for batch in batches for message in batch]


async def test_a_retry_and_a_dead_letter_stay_with_their_group(bench: Bench) -> None:
    """The private lanes reach their group's member, or nobody."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk", "archive")
    await bench.send(
        broker,
        bench.message("news", 1, group="desk", lane="retry", attempt=2, key="k"),
        bench.message("news", 2, group="desk", lane="main"),
        bench.message("news", 3, group="desk", lane="dead"),
    )

    async with bench.member(broker, "news", "desk") as desk:
        first, second = await bench.collect(desk, 2)
        assert [first.id, second.id] == ["news-1", "news-2"]
        assert (first.attempt, first.group, first.key) == (2, "desk", "k")
        assert (first.message.lane, first.message.group) == ("retry", "desk")
        assert await desk.receive(max_messages=1, wait_s=0.5) == []
    async with bench.member(broker, "news", "archive") as archive:
        assert await archive.receive(max_messages=1, wait_s=1.5) == []


async def test_a_closed_broker_says_so_and_closes_again(bench: Bench) -> None:
    """Use after close is an error; a second close is nothing."""
    broker = await bench.broker()
    await bench.declare(broker, "news")
    await broker.aclose(timeout_s=CALL_S)

    with pytest.raises(ClosedError):
        await broker.send([bench.message("news", 1)], timeout_s=CALL_S)
    with pytest.raises(ClosedError):
        async with bench.member(broker, "news", None):
            pytest.fail("subscribed on a closed broker")
    await broker.aclose(timeout_s=CALL_S)
    assert (await broker.health()).status == "down"


async def test_closing_confirms_what_is_under_way(bench: Bench) -> None:
    """A send that close overtakes still ends as confirmed or unknown, never without an end."""
    broker = await bench.broker(linger_ms=200)
    await bench.declare(broker, "news")
    await bench.send(broker, bench.message("news", 0))  # so that the topic is known

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(broker.send([bench.message("news", 1)], timeout_s=CALL_S))
        await asyncio.sleep(0)
        await broker.aclose(timeout_s=CALL_S)

    (result,) = sending.result()
    assert isinstance(result, Confirmed | Unknown)
