"""The operator's view of a real cluster."""

from __future__ import annotations

import asyncio

import pytest

from anymq.errors import Busy, TopologyError
from anymq.outcome import SETTLED
from anymq.topology import TopologyMode
from tests.unit.kafka.bench import CALL_S, JOIN_S, Bench

pytestmark = pytest.mark.server("kafka")


async def test_topics_and_groups_are_shown_without_companions(bench: Bench) -> None:
    """What waits is counted, retries included; companions and strangers are left out."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk", "archive", partitions=2)
    await bench.declare(broker, "news.sport", "desk")
    await bench.send(
        broker,
        *(bench.message("news", n, key=f"k{n}") for n in range(6)),
        bench.message("news", 7, group="desk", lane="retry"),
        bench.message("news", 8, group="desk", lane="dead"),
    )
    async with bench.member(broker, "news", "archive") as archive:
        held = await bench.collect(archive, 6)
        await bench.ack(archive, *held)

        topics = await broker.management().topics()
        archived, desk = await broker.management().groups("news")
        everything = await broker.management().groups()

    assert [(t.name, t.partitions, t.messages) for t in topics] == [
        ("news", 2, 6),
        ("news.sport", 1, 0),
    ]
    assert (archived.name, archived.ready, archived.members, archived.dead) == ("archive", 0, 1, 0)
    assert (desk.name, desk.ready, desk.members, desk.dead) == ("desk", 7, 0, 1)
    assert archived.idle_s == 0.0
    assert [(g.topic, g.name) for g in everything] == [
        ("news", "archive"),
        ("news", "desk"),
        ("news.sport", "desk"),
    ]
    with pytest.raises(TopologyError):
        await broker.management().groups("nowhere")


async def test_dead_letters_stay_until_they_are_resolved(bench: Bench) -> None:
    """Listed in order and in pages, with their bytes and facts; resolved once."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    for number in range(3):
        meta = {"anymq-dead-reason": f"reason {number}"}
        await bench.send(
            broker, bench.message("news", number, group="desk", lane="dead", key="k", meta=meta)
        )
    management = broker.management()

    first = await management.dead_letters("news", "desk", limit=2)
    rest = await management.dead_letters("news", "desk", limit=2, after=first[-1].id)
    assert [entry.id for entry in (*first, *rest)] == ["news-0", "news-1", "news-2"]
    assert (first[1].message.body, first[1].message.key) == (b"1", "k")
    assert first[1].message.meta == {"anymq-dead-reason": "reason 1"}

    assert await management.resolve("news", "desk", ["news-1", "unknown"], "purged") == 1
    assert await management.resolve("news", "desk", ["news-1"], "purged") == 0
    left = await management.dead_letters("news", "desk", limit=9)
    assert [entry.id for entry in left] == ["news-0", "news-2"]
    with pytest.raises(TopologyError):
        await management.dead_letters("news", "nobody", limit=1)


async def test_one_operator_at_a_time(bench: Bench) -> None:
    """The second one gets Busy until the first leaves; the first may resolve meanwhile."""
    broker, other = await bench.broker(), await bench.broker()
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, bench.message("news", 1, group="desk", lane="dead"))
    mine, theirs = broker.management(), other.management()

    async with mine.administer("news", "desk", lease_s=JOIN_S):
        with pytest.raises(Busy):
            async with theirs.administer("news", "desk", lease_s=JOIN_S):
                pytest.fail("two operators at once")
        with pytest.raises(Busy):
            await theirs.resolve("news", "desk", ["news-1"], "purged")
        assert await mine.resolve("news", "desk", ["news-1"], "replayed") == 1

    async with theirs.administer("news", "desk", lease_s=JOIN_S):
        assert await theirs.dead_letters("news", "desk", limit=1) == []


async def test_a_lease_that_is_never_left_ends(bench: Bench) -> None:
    """After its time another operator may begin."""
    broker, other = await bench.broker(), await bench.broker()
    await bench.declare(broker, "news", "desk")

    async with broker.management().administer("news", "desk", lease_s=1.0), asyncio.timeout(JOIN_S):
        while True:
            try:
                async with other.management().administer("news", "desk", lease_s=1.0):
                    break
            except Busy:
                await asyncio.sleep(0.1)  # between two looks at the cluster


async def test_a_group_is_purged_and_removed_only_without_members(bench: Bench) -> None:
    """Busy while somebody listens; afterwards nothing waits, then nothing is left."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, *(bench.message("news", n) for n in range(4)))
    management = broker.management()
    other = (await bench.broker()).management()
    async with bench.member(broker, "news", "desk") as desk:
        await bench.collect(desk, 1)
        with pytest.raises(Busy):
            await other.purge("news", "desk")
        with pytest.raises(Busy):
            await management.remove_group("news", "desk")

    assert await management.purge("news", "desk") == 4
    assert [group.ready for group in await management.groups("news")] == [0]
    await management.remove_group("news", "desk")
    assert await management.groups("news") == []
    assert bench.topics() == {f"{bench.namespace}.news"}


async def test_own_members_drop_what_waits_and_keep_what_is_out(bench: Bench) -> None:
    """What is in hand can still be settled; what comes later is delivered."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk", prefetch=2) as desk:
        await bench.send(broker, *(bench.message("news", n) for n in range(6)))
        held = await bench.collect(desk, 2)

        assert await broker.management().purge("news", "desk") == 4

        await bench.send(broker, bench.message("news", 9))
        assert await bench.ack(desk, *held) == [SETTLED, SETTLED]
        (later,) = await bench.collect(desk, 1)
        assert later.id == "news-9"
        assert await bench.ack(desk, later) == [SETTLED]
    assert [group.ready for group in await broker.management().groups("news")] == [0]


async def test_partitions_are_added_once_the_groups_are_drained(bench: Bench) -> None:
    """Refused while messages wait; then all new partitions are read from their beginning."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, bench.message("news", 1))
    with pytest.raises(TopologyError, match="drain"):
        await bench.declare(broker, "news", "desk", partitions=3)
    await broker.management().purge("news", "desk")

    await bench.declare(broker, "news", "desk", partitions=3)

    await bench.declare(broker, "news", "desk", partitions=3, mode=TopologyMode.VERIFY)
    fresh = await bench.broker()
    await bench.send(fresh, *(bench.message("news", n, key=f"k{n}") for n in range(10, 30)))
    async with bench.member(fresh, "news", "desk") as desk:
        seen = await bench.collect(desk, 20)
    assert {delivery.partition for delivery in seen} == {0, 1, 2}
    with pytest.raises(TopologyError, match="has 3 partitions, not 2"):
        await bench.declare(broker, "news", "desk", partitions=2)


async def test_a_group_cannot_be_joined_after_its_removal(bench: Bench) -> None:
    """Its commits are gone with it, so it would not be the group that was declared."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    await broker.management().remove_group("news", "desk")

    with pytest.raises(TopologyError):
        async with asyncio.timeout(CALL_S), bench.member(broker, "news", "desk"):
            pytest.fail("joined a group that was removed")
