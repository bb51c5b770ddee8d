"""The operator's view: counts, dead letters under a lease, purging, removing."""

from __future__ import annotations

import asyncio

import pytest

from anymq.errors import Busy, TopologyError
from anymq.outcome import DeadLetter, Retry
from tests.unit.sqlite.bench import Bench


async def test_groups_are_counted(bench: Bench) -> None:
    """Ready (those behind a key, too), in flight, delayed, dead, members."""
    broker = await bench.ready(order="key")
    subscription = await bench.subscribe(broker)
    await bench.send(broker, *[bench.message(key=key) for key in "aabcd"])
    a, b, c, _ = await bench.take(subscription, 4)
    await bench.settle(subscription, b, outcome=Retry(60))
    await bench.settle(subscription, c, outcome=DeadLetter("bad"))
    await bench.declare(broker, "t", "empty")
    management = broker.management()

    empty, group = await management.groups("t")
    (topic,) = await management.topics()

    assert (group.ready, group.in_flight, group.delayed, group.dead) == (1, 2, 1, 1)
    assert (group.members, group.idle_s) == (1, 0.0)
    assert (empty.name, empty.ready, empty.members) == ("empty", 0, 0)
    assert (topic.name, topic.partitions, topic.messages) == ("t", 1, 1)
    assert a.body == b"{}"
    with pytest.raises(TopologyError, match="'nowhere'"):
        await management.groups("nowhere")


async def test_a_group_that_was_left_is_idle(bench: Bench) -> None:
    """From when its last member left."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    await subscription.aclose(timeout_s=5)

    (group,) = await broker.management().groups()

    assert group.idle_s is not None
    assert 0 <= group.idle_s < 5


async def test_dead_letters_page_and_resolve(bench: Bench) -> None:
    """Oldest first, behind an id; resolving twice counts once."""
    broker = await bench.ready()
    await bench.send(broker, *[bench.message(b"%d" % n, group="g", lane="dead") for n in range(5)])
    management = broker.management()

    first = await management.dead_letters("t", "g", limit=2)
    rest = await management.dead_letters("t", "g", limit=10, after=first[-1].id)
    ids = [entry.id for entry in (*first, *rest)]
    resolved = await management.resolve("t", "g", ids[:3], "purged")
    again = await management.resolve("t", "g", ids[:4], "replayed")

    assert [entry.message.body for entry in (*first, *rest)] == [b"0", b"1", b"2", b"3", b"4"]
    assert {entry.message.lane for entry in first} == {"dead"}
    assert (resolved, again) == (3, 1)


async def test_one_operator_at_a_time(bench: Bench) -> None:
    """The second gets Busy, until the first leaves or its lease ends."""
    broker = await bench.ready()
    one, two = broker.management(), broker.management()

    async with one.administer("t", "g", lease_s=30):
        with pytest.raises(Busy, match="another operator"):
            async with two.administer("t", "g", lease_s=30):
                pass
        with pytest.raises(Busy):
            await two.resolve("t", "g", ["x"], "purged")
        assert await one.resolve("t", "g", ["x"], "purged") == 0
    async with one.administer("t", "g", lease_s=0.05):
        await asyncio.sleep(0.1)  # the lease's end
        async with two.administer("t", "g", lease_s=30):
            assert await two.resolve("t", "g", ["x"], "purged") == 0


async def test_a_dead_operator_holds_nothing(bench: Bench) -> None:
    """The lease of a process that ended is over."""
    broker = await bench.ready()
    management = broker.management()

    async with management.administer("t", "g", lease_s=30):
        bench.query("UPDATE admins SET holder = 'x', started = started - 1")

        assert await management.resolve("t", "g", ["x"], "purged") == 0


async def test_purge_leaves_what_is_in_flight_or_dead(bench: Bench) -> None:
    """Ready, delayed and behind a key go."""
    broker = await bench.ready(order="key")
    subscription = await bench.subscribe(broker)
    await bench.send(broker, bench.message(key="k"))
    await bench.take(subscription, 1)
    await subscription.stop()
    await bench.send(
        broker,
        bench.message(key="k"),
        bench.message(),
        bench.message(due_at=4e9),
        bench.message(group="g", lane="dead"),
    )

    purged = await broker.management().purge("t", "g")

    assert purged == 3
    assert bench.query("SELECT state FROM queue") == [(1,)]
    assert bench.query("SELECT count(*) FROM dead") == [(1,)]


async def test_a_group_with_members_stays(bench: Bench) -> None:
    """Busy; once they left it goes, with all it holds."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    await bench.send(broker, bench.message(), bench.message(group="g", lane="dead"))
    management = broker.management()

    with pytest.raises(Busy, match="1 member"):
        await management.remove_group("t", "g")
    await subscription.aclose(timeout_s=5)
    await management.remove_group("t", "g")

    for table in ("groups", "queue", "dead", "routes", "sources"):
        assert bench.query(f"SELECT count(*) FROM {table}") == [(0,)], table
    with pytest.raises(TopologyError, match="group 'g'"):
        await management.purge("t", "g")
