"""Groups on a real broker: where they begin, how far they commit, what comes again."""

from __future__ import annotations

import asyncio

import pytest

from anymq.errors import ClosedError
from anymq.outcome import ACK, RELEASE, SETTLED, STALE, Settlement
from tests.unit.kafka.bench import CALL_S, JOIN_S, Bench

pytestmark = pytest.mark.server("kafka")


async def test_a_group_begins_at_its_declaration_and_misses_nothing(bench: Bench) -> None:
    """What was sent before is not for it; what comes after is, though nobody listens."""
    broker = await bench.broker()
    await bench.declare(broker, "news")
    await bench.send(broker, bench.message("news", 1))
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, bench.message("news", 2))

    await bench.declare(broker, "news", "desk")  # as every later start does
    await bench.send(broker, bench.message("news", 3))

    async with bench.member(broker, "news", "desk") as desk:
        seen = await bench.collect(desk, 2)
        assert [delivery.id for delivery in seen] == ["news-2", "news-3"]
        assert [delivery.redelivered for delivery in seen] == [False, False]


async def test_declaring_a_group_with_members_changes_nothing(bench: Bench) -> None:
    """The running member keeps its place and its partitions."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        await bench.send(broker, bench.message("news", 1))
        (first,) = await bench.collect(desk, 1)

        await bench.declare(broker, "news", "desk")

        assert await bench.ack(desk, first) == [SETTLED]
        await bench.send(broker, bench.message("news", 2))
        assert [d.id for d in await bench.collect(desk, 1)] == ["news-2"]


async def test_what_is_settled_behind_a_gap_does_not_come_again(bench: Bench) -> None:
    """1 and 3 settled without 2: the next member gets 2 alone, told as redelivered, then 4."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        await bench.send(broker, *(bench.message("news", n) for n in (1, 2, 3)))
        one, _two, three = await bench.collect(desk, 3)
        assert await bench.ack(desk, three) == [SETTLED]
        assert await bench.ack(desk, one) == [SETTLED]
    await bench.send(broker, bench.message("news", 4))

    async with bench.member(broker, "news", "desk") as desk:
        again, new = await bench.collect(desk, 2)
        assert (again.id, again.redelivered, again.delivery_count) == ("news-2", True, 1)
        assert (new.id, new.redelivered, new.delivery_count) == ("news-4", False, 1)
        assert await bench.ack(desk, again, new) == [SETTLED, SETTLED]

    async with bench.member(broker, "news", "desk") as desk:
        assert await desk.receive(max_messages=1, wait_s=2.0) == []


async def test_deliveries_of_a_partition_that_went_away_are_stale(bench: Bench) -> None:
    """A second member takes half; the first is told, and cannot settle what it lost."""
    broker = await bench.broker(revoke_grace_s=0.1)
    await bench.declare(broker, "news", "desk", partitions=2)
    both = [bench.message("news", n, key=key) for n, key in enumerate(["a", "b", "c", "d", "e"])]
    async with bench.member(broker, "news", "desk") as first:
        await bench.send(broker, *both)
        held = await bench.collect(first, 5)
        assert {delivery.partition for delivery in held} == {0, 1}

        async with bench.member(broker, "news", "desk") as second:
            taken = await bench.collect(second, 1)
            lost = list(bench.lost)
            results = await bench.ack(first, *held)

            assert len({d.partition for d in lost}) == 1
            assert {d.partition for d in taken} == {d.partition for d in lost}
            assert [result == STALE for result in results] == [d in lost for d in held]
            assert [result == SETTLED for result in results] == [d not in lost for d in held]
            rest = await bench.collect(second, len(lost) - 1) if len(lost) > 1 else []
            assert all(delivery.redelivered for delivery in [*taken, *rest])


async def test_a_delivery_is_settled_once(bench: Bench) -> None:
    """The second settlement changes nothing and says so."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        await bench.send(broker, bench.message("news", 1))
        (delivery,) = await bench.collect(desk, 1)

        items = [Settlement(delivery, ACK), Settlement(delivery, ACK)]
        results = await desk.settle(items, timeout_s=CALL_S)

        assert list(results) == [SETTLED, STALE]
        assert await bench.ack(desk, delivery) == [STALE]


async def test_a_release_comes_back_at_once_and_uncounted(bench: Bench) -> None:
    """Before what follows; after a stop it goes to the next member instead."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, *(bench.message("news", n) for n in (1, 2)))
    async with bench.member(broker, "news", "desk") as desk:
        (first,) = await bench.collect(desk, 1)
        (result,) = await desk.settle([Settlement(first, RELEASE)], timeout_s=CALL_S)
        assert result == SETTLED
        assert await bench.ack(desk, first) == [STALE]
        again, second = await bench.collect(desk, 2)
        assert (again.id, again.redelivered, again.delivery_count) == ("news-1", True, 1)
        assert (second.id, second.redelivered) == ("news-2", False)
        await desk.stop()
        (result,) = await desk.settle([Settlement(again, RELEASE)], timeout_s=CALL_S)
        assert result == SETTLED
        assert await bench.ack(desk, second) == [SETTLED]

    async with bench.member(broker, "news", "desk") as desk:
        (last,) = await bench.collect(desk, 1)
        assert (last.id, last.redelivered, last.delivery_count) == ("news-1", True, 1)


async def test_a_vanished_member_is_counted(bench: Bench) -> None:
    """Nothing is committed or left; after the session another member has it all, told so."""
    doomed, broker = await bench.broker(session_timeout_s=6), await bench.broker()
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, *(bench.message("news", n) for n in (1, 2)))
    async with bench.member(doomed, "news", "desk") as desk:
        await bench.collect(desk, 2)
        doomed.abandon()
    with pytest.raises(ClosedError):
        await doomed.send([bench.message("news", 3)], timeout_s=CALL_S)

    async with bench.member(broker, "news", "desk") as desk:
        seen = await bench.collect(desk, 2)
        assert [(d.id, d.redelivered, d.delivery_count) for d in seen] == [
            ("news-1", True, 2),
            ("news-2", True, 2),
        ]


async def test_no_more_than_prefetch_is_out(bench: Bench) -> None:
    """Settling makes room, however long that takes: the consumer pauses and goes on."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    await bench.send(broker, *(bench.message("news", n) for n in range(10)))
    async with bench.member(broker, "news", "desk", prefetch=3) as desk:
        out = await bench.collect(desk, 3)
        assert await desk.receive(max_messages=10, wait_s=0.6) == []

        await bench.ack(desk, *out)
        more = await bench.collect(desk, 3)

        assert [d.id for d in more] == ["news-3", "news-4", "news-5"]
        assert await desk.receive(max_messages=10, wait_s=0.1) == []


async def test_a_pause_holds_and_a_stop_ends_the_intake(bench: Bench) -> None:
    """Both keep what is in flight settleable; stop wakes a receive that waits."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        await bench.send(broker, bench.message("news", 1))
        (held,) = await bench.collect(desk, 1)
        await desk.pause()
        await bench.send(broker, bench.message("news", 2))
        assert await desk.receive(max_messages=1, wait_s=0.5) == []
        await desk.resume()
        (second,) = await bench.collect(desk, 1)

        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(desk.receive(max_messages=1, wait_s=JOIN_S))
            await asyncio.sleep(0)
            await desk.stop()

        assert list(waiting.result()) == []
        assert await bench.ack(desk, held, second) == [SETTLED, SETTLED]


async def test_a_cancelled_receive_loses_nothing(bench: Bench) -> None:
    """What arrives while nobody waits comes with the next call."""
    broker = await bench.broker()
    await bench.declare(broker, "news", "desk")
    async with bench.member(broker, "news", "desk") as desk:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(desk.receive(max_messages=1, wait_s=JOIN_S))
            await asyncio.sleep(0)
            waiting.cancel()

        await bench.send(broker, *(bench.message("news", n) for n in range(5)))

        assert [d.id for d in await bench.collect(desk, 5)] == [f"news-{n}" for n in range(5)]


async def test_one_that_leaves_while_it_joins_leaves_nobody_behind(bench: Bench) -> None:
    """The group is as it was at once, and not only when the session of one that is gone ends."""
    broker = await bench.broker()
    topic = "anymq.delay.unit"  # nobody waits for its partitions to be assigned
    await bench.declare(broker, topic, "mover")
    async with bench.member(broker, topic, "mover"):  # a join lasts until this one joins again
        for turn in range(10):
            async with bench.member(broker, topic, "mover"):
                await asyncio.sleep(turn * 0.05)  # so that every step of a join is met
            assert await bench.members(topic, "mover") == 1


@pytest.mark.long
async def test_members_that_leave_together_leave_nobody_behind(bench: Bench) -> None:
    """Whoever leaves first makes the other join again, in the middle of its own leaving."""
    one, two = await bench.broker(), await bench.broker()
    topic = "anymq.delay.unit"
    await bench.declare(one, topic, "mover")
    for turn in range(24):
        async with bench.member(one, topic, "mover") as a, bench.member(two, topic, "mover") as b:
            await asyncio.sleep(turn % 12 * 0.1)  # so that every step of a join is met
            async with asyncio.TaskGroup() as leaving:
                leaving.create_task(a.aclose(timeout_s=CALL_S))
                leaving.create_task(b.aclose(timeout_s=CALL_S))
        assert await bench.members(topic, "mover") == 0, f"turn {turn}"
