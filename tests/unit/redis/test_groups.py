"""Declaring, private groups, and what is removed from the server and when."""

from __future__ import annotations

import re

import pytest

from anymq.errors import TopologyError
from anymq.outcome import ACK, RELEASE, DeadLetter, Retry
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode
from anymq_redis.subscription import RedisSubscription
from tests.unit.redis.bench import CALL_S, Bench

pytestmark = pytest.mark.server("redis")


async def _keys(bench: Bench) -> set[str]:
    return {key.decode() for key in await bench.call("KEYS", f"*{bench.namespace}*")}


async def test_a_group_begins_at_its_declaration_and_is_never_moved(bench: Bench) -> None:
    """What was sent before is not for it; what was sent since is, however often it is declared."""
    broker = await bench.broker()
    await bench.declare(broker, "t")
    await bench.send(broker, bench.message("t", 0))
    await bench.declare(broker, "t", "g")
    await bench.send(broker, bench.message("t", 1))
    await bench.declare(broker, "t", "g")

    member = await bench.member(broker, "t", "g")

    assert [d.id for d in await bench.collect(member, 1)] == ["t-1"]


async def test_declaring_tells_what_differs_or_is_missing(bench: Bench) -> None:
    """Partitions never change under messages; verify makes nothing, of patterns neither."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", partitions=2)
    cases = [
        (Topology((TopicSpec("t", partitions=3),)), TopologyMode.MANAGE, "2 partition"),
        (Topology((TopicSpec("t", partitions=3),)), TopologyMode.VERIFY, "2 partition"),
        (Topology((TopicSpec("u"),)), TopologyMode.VERIFY, "'u' does not exist"),
        (Topology((), (GroupSpec("t", "h"),)), TopologyMode.VERIFY, "'h' of topic 't'"),
        (Topology((), (GroupSpec("u", "g"),)), TopologyMode.MANAGE, "'u' does not exist"),
        (Topology((), (GroupSpec("t.*", "g"),)), TopologyMode.VERIFY, "pattern 't.*'"),
    ]

    for topology, mode, text in cases:
        with pytest.raises(TopologyError, match=re.escape(text)):
            await broker.declare(topology, mode=mode, timeout_s=CALL_S)
    await broker.declare(Topology((TopicSpec("u"),)), mode=TopologyMode.ASSUME, timeout_s=CALL_S)


async def test_an_anonymous_subscription_leaves_nothing_behind(bench: Bench) -> None:
    """It hears what is sent from now on, retries alone, and every key of its own goes with it."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    await bench.send(broker, bench.message("t", 0))
    before = await _keys(bench)
    alone, other = await bench.member(broker, "t", None), await bench.member(broker, "t", None)
    await bench.send(broker, *(bench.message("t", n) for n in range(1, 5)))

    deliveries = await bench.collect(alone, 4)
    for delivery, outcome in zip(
        deliveries, [ACK, RELEASE, Retry(0.0), DeadLetter("bad")], strict=True
    ):
        assert delivery.group is None
        await bench.settle(alone, outcome, delivery)
    again = await bench.collect(alone, 2)
    await bench.settle(alone, Retry(60.0), again[0])
    await alone.aclose(timeout_s=CALL_S)

    assert sorted(d.id for d in again) == ["t-2", "t-3"]
    assert sorted(d.id for d in await bench.collect(other, 4)) == [f"t-{n}" for n in range(1, 5)]
    await other.aclose(timeout_s=CALL_S)
    assert await _keys(bench) == before
    groups = await bench.call("XINFO", "GROUPS", bench.key("t"))
    assert [group[1] for group in groups] == [b"g"]


async def test_the_private_group_of_a_dead_process_is_removed(bench: Bench) -> None:
    """By any member of the topic, once its time is up; a living one is left alone."""
    broker = await bench.broker(lease_s=0.3)
    await bench.declare(broker, "t", "g")
    living = await bench.member(broker, "t", None)
    key = bench.key("t")
    await bench.call("XGROUP", "CREATE", key, "anymq:dead", "$")
    await bench.call(
        "XGROUP", "CREATE", f"{{{key}}}.anymq:dead.retry", "anymq:dead", "0", "MKSTREAM"
    )
    await bench.call("ZADD", f"{{{key}}}:anonymous", 1, "anymq:dead")

    member = await bench.member(broker, "t", "g")
    await member.receive(max_messages=1, wait_s=0.0)

    names = {group[1] for group in await bench.call("XINFO", "GROUPS", key)}
    assert len(names) == 2
    assert b"anymq:dead" not in names
    assert f"{{{key}}}.anymq:dead.retry" not in await _keys(bench)
    await bench.send(broker, bench.message("t"))
    assert len(await bench.collect(living, 1)) == 1


async def test_settled_entries_are_trimmed_behind_the_slowest_group(bench: Bench) -> None:
    """What any group has not settled stays; retention keeps the rest for longer."""
    broker = await bench.broker(lease_s=0.3)
    await bench.declare(broker, "t", "quick", "slow")
    await broker.declare(
        Topology((TopicSpec("kept", retention_s=3600),), (GroupSpec("kept", "quick"),)),
        mode=TopologyMode.MANAGE,
        timeout_s=CALL_S,
    )
    for topic in ("t", "kept"):
        await bench.send(broker, *(bench.message(topic, n) for n in range(300)))
    quick, slow = await bench.member(broker, "t", "quick"), await bench.member(broker, "t", "slow")
    kept = await bench.member(broker, "kept", "quick")

    async def drain(member: RedisSubscription, count: int) -> None:
        left = count
        while left:
            deliveries = await member.receive(max_messages=min(100, left), wait_s=CALL_S)
            await bench.settle(member, ACK, *deliveries)
            left -= len(deliveries)

    await drain(quick, 300)
    await drain(kept, 300)
    await drain(slow, 250)
    await _tidy(quick, kept)
    # Whole nodes of a hundred entries are removed; fifty are unsettled in one group.
    assert 50 <= await bench.call("XLEN", bench.key("t")) <= 150
    await drain(slow, 50)
    await _tidy(slow, kept)
    assert await bench.call("XLEN", bench.key("t")) <= 100
    assert await bench.call("XLEN", bench.key("kept")) == 300


async def _tidy(*members: RedisSubscription) -> None:
    """Long enough for the next tidying of each, which comes with a third of the lease."""
    for member in members:
        await member.receive(max_messages=1, wait_s=0.15)
        await member.receive(max_messages=1, wait_s=0.0)
