"""The operator's view of a real server."""

from __future__ import annotations

import pytest

from anymq.errors import Busy, TopologyError
from anymq.outcome import ACK, DeadLetter, Retry
from tests.unit.redis.bench import CALL_S, Bench

pytestmark = pytest.mark.server("redis")


async def test_counts_tell_where_every_message_is(bench: Bench) -> None:
    """Ready, in flight, delayed and dead, over partitions and companions."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", "idle", partitions=2)
    member = await bench.member(broker, "t", "g", prefetch=4)
    await bench.send(broker, *(bench.message("t", n, partition=n % 2) for n in range(10)))
    await bench.send(broker, bench.message("t", 10, group="g", lane="retry"))
    held = await bench.collect(member, 4)
    await bench.settle(member, Retry(60.0), held[0])
    await bench.settle(member, DeadLetter("bad"), held[1])

    view = broker.management()
    (topic,) = await view.topics()
    group, idle = await view.groups("t")

    assert (topic.name, topic.partitions, topic.messages) == ("t", 2, 10)
    assert (group.name, group.ready, group.in_flight) == ("g", 7, 2)
    assert (group.delayed, group.dead, group.members, group.idle_s) == (1, 1, 1, 0.0)
    assert (idle.ready, idle.in_flight, idle.members, idle.idle_s) == (10, 0, 0, None)
    assert await view.groups() == [group, idle]
    with pytest.raises(TopologyError):
        await view.groups("nowhere")


async def test_dead_letters_are_listed_in_pages_and_resolved_once(bench: Bench) -> None:
    """Listing removes nothing; ids that are gone are passed over."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, *(bench.message("t", n, headers={"n": str(n)}) for n in range(5)))
    await bench.settle(member, DeadLetter("bad"), *await bench.collect(member, 5))
    view = broker.management()

    page = await view.dead_letters("t", "g", limit=3)
    rest = await view.dead_letters("t", "g", limit=9, after=page[-1].id)
    ids = [entry.id for entry in page]

    assert [e.message.headers["n"] for e in (*page, *rest)] == ["0", "1", "2", "3", "4"]
    assert page[0].message.lane == "dead"
    assert await view.resolve("t", "g", [*ids, "1-1"], "replayed") == 3
    assert await view.resolve("t", "g", ids, "purged") == 0
    assert await view.dead_letters("t", "g", limit=9) != []


async def test_a_second_operator_gets_busy(bench: Bench) -> None:
    """Until the first has left, or its lease has ended."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    first, second = broker.management(), broker.management()

    async with first.administer("t", "g", lease_s=30):
        with pytest.raises(Busy):
            async with second.administer("t", "g", lease_s=30):
                pass
        with pytest.raises(Busy):
            await second.resolve("t", "g", ["1-1"], "purged")
        assert await first.resolve("t", "g", ["1-1"], "purged") == 0
    async with second.administer("t", "g", lease_s=30):
        pass


async def test_purge_drops_what_waits_and_nothing_else(bench: Bench) -> None:
    """Not what is in flight or dead, and nothing of another group."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", "h")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, *(bench.message("t", n) for n in range(6)))
    held = await bench.collect(member, 2)
    await bench.send(broker, bench.message("t", 9, group="g"))
    await bench.settle(member, Retry(60.0), held[0])

    assert await broker.management().purge("t", "g") == 6
    assert await member.receive(max_messages=9, wait_s=0.1) == []
    await bench.settle(member, ACK, held[1])
    other = await bench.member(broker, "t", "h")
    assert len(await bench.collect(other, 6)) == 6


async def test_a_group_with_members_is_not_removed(bench: Bench) -> None:
    """Once they have left it goes, with all it had, and sending to it is rejected."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t", 1), bench.message("t", 2, group="g"))
    await bench.settle(member, DeadLetter("bad"), *await bench.collect(member, 2))
    view = broker.management()

    with pytest.raises(Busy, match="1 member"):
        await view.remove_group("t", "g")
    await member.aclose(timeout_s=CALL_S)
    await view.remove_group("t", "g")

    assert await view.groups("t") == []
    assert await bench.call("KEYS", f"*{bench.namespace}*.g.*") == []
    (result,) = await broker.send([bench.message("t", 3, group="g")], timeout_s=CALL_S)
    assert getattr(result, "code", None) == "not_found"
