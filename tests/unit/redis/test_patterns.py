"""Subscriptions to patterns, and topics that are declared before and after them."""

from __future__ import annotations

import asyncio

import pytest

from anymq.errors import TopologyError
from anymq.outcome import ACK, DeadLetter
from anymq.topology import GroupSpec, Topology, TopologyMode
from anymq_redis.broker import RedisBroker
from anymq_redis.subscription import RedisSubscription
from tests.unit.redis.bench import CALL_S, Bench

pytestmark = pytest.mark.server("redis")


async def _declare(broker: RedisBroker, pattern: str, group: str) -> None:
    topology = Topology((), (GroupSpec(pattern, group),))
    await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)


async def _topics(bench: Bench, member: RedisSubscription, count: int) -> list[str]:
    found = await bench.collect(member, count)
    await bench.settle(member, ACK, *found)
    return sorted(delivery.topic for delivery in found)


async def test_a_pattern_means_topics_of_before_and_after_its_declaration(bench: Bench) -> None:
    """Its group misses nothing of either, whether anybody listens or not."""
    broker, other = await bench.broker(), await bench.broker()
    await bench.declare(broker, "news.old")
    await bench.send(broker, bench.message("news.old", 0))
    await _declare(broker, "news.*", "g")
    await bench.declare(other, "news.new")
    await bench.declare(other, "sport.new")
    for topic in ("news.old", "news.new", "sport.new"):
        await bench.send(broker, bench.message(topic, 1))

    member = await bench.member(broker, "news.*", "g")

    assert await _topics(bench, member, 2) == ["news.new", "news.old"]
    assert await member.receive(max_messages=9, wait_s=0.1) == []


@pytest.mark.parametrize("group", ["g", None])
@pytest.mark.parametrize("order", ["none", "key"])
async def test_a_running_subscription_hears_topics_that_are_declared_later(
    bench: Bench, group: str | None, order: str
) -> None:
    """Named or anonymous, also where nothing matched when it began."""
    broker, other = await bench.broker(), await bench.broker()
    await _declare(broker, "late.#", "g")
    member = await bench.member(broker, "late.#", group, order="key" if order == "key" else "none")
    assert await member.receive(max_messages=9, wait_s=0.0) == []

    await bench.declare(other, "late.a", partitions=2)
    await bench.send(other, *(bench.message("late.a", n, partition=n) for n in range(2)))
    assert await _topics(bench, member, 2) == ["late.a", "late.a"]
    await bench.declare(other, "late.a.b")
    await bench.send(other, bench.message("late.a.b"))
    assert await _topics(bench, member, 1) == ["late.a.b"]

    await member.aclose(timeout_s=CALL_S)
    groups = await bench.call("XINFO", "GROUPS", bench.key("late.a.b"))
    assert [found[1] for found in groups] == [b"g"]


async def test_the_group_of_a_pattern_has_companions_in_each_topic(bench: Bench) -> None:
    """Dead letters are found where the message came from."""
    broker = await bench.broker()
    await bench.declare(broker, "w.a")
    await _declare(broker, "w.*", "g")
    member = await bench.member(broker, "w.*", "g")
    await bench.send(broker, bench.message("w.a"))
    (delivery,) = await bench.collect(member, 1)

    await bench.settle(member, DeadLetter("bad"), delivery)

    entries = await broker.management().dead_letters("w.a", "g", limit=9)
    assert [entry.message.id for entry in entries] == ["w.a-0"]


async def test_a_pattern_that_nobody_declared_is_told(bench: Bench) -> None:
    """As a group of a topic would be."""
    broker = await bench.broker()

    with pytest.raises(TopologyError, match="pattern"):
        await bench.member(broker, "x.*", "g")


async def test_topics_and_patterns_declared_at_once_find_each_other(bench: Bench) -> None:
    """Whoever comes second sees the first, however they interleave."""
    brokers = [await bench.broker() for _ in range(6)]

    async with asyncio.TaskGroup() as tasks:
        for n, broker in enumerate(brokers):
            tasks.create_task(bench.declare(broker, f"race.t{n}"))
            tasks.create_task(_declare(brokers[-1 - n], "race.*", f"g{n}"))

    for n in range(6):
        states = await brokers[0].management().groups(f"race.t{n}")
        assert sorted(state.name for state in states) == [f"g{n}" for n in range(6)]
