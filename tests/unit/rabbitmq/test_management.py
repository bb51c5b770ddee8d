"""The operator's view over a real server."""

from __future__ import annotations

from typing import Any

import pytest

from anymq.errors import Busy, TopologyError
from anymq.message import Message
from anymq.outcome import Confirmed
from anymq_rabbitmq.broker import RabbitMQBroker
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, join, message


async def _dead(broker: RabbitMQBroker, count: int) -> list[Message]:
    letters = [
        message(body=b"%d" % n, group="desk", lane="dead", meta={"anymq-reason": "test"})
        for n in range(count)
    ]
    results = await broker.send(letters, timeout_s=CALL_S)
    assert all(isinstance(result, Confirmed) for result in results)
    return letters


async def test_topics_and_groups_are_listed_with_their_counts(rig: Any) -> None:
    """Of this namespace alone; after a removal no more."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk", "archive")
    await rig.declare(broker, "sport")
    await broker.send([message() for _ in range(3)], timeout_s=CALL_S)
    await _dead(broker, 2)
    member = await join(await rig.broker(), "archive")
    await member.receive(max_messages=1, wait_s=0)
    desk = broker.management()

    topics, groups = await desk.topics(), await desk.groups("news")

    assert [(topic.name, topic.partitions) for topic in topics] == [("news", 1), ("sport", 1)]
    assert [group.name for group in groups] == ["archive", "desk"]
    assert [(group.members, group.dead) for group in groups] == [(1, 0), (0, 2)]
    assert groups[1].ready == 3
    await desk.remove_group("news", "desk")
    assert [group.name for group in await desk.groups("news")] == ["archive"]
    with pytest.raises(TopologyError):
        await desk.groups("nowhere")


async def test_a_group_with_members_is_not_removed(rig: Any) -> None:
    """Busy, and everything stays."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")

    with pytest.raises(Busy):
        await broker.management().remove_group("news", "desk")

    await broker.send([message()], timeout_s=CALL_S)
    await ack(desk, await collect(desk, 1))


async def test_a_purge_drops_what_waits_and_tells_how_much(rig: Any) -> None:
    """Dead letters stay."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    await broker.send([message() for _ in range(3)], timeout_s=CALL_S)
    await _dead(broker, 1)

    assert await broker.management().purge("news", "desk") == 3

    (group,) = await broker.management().groups("news")
    assert (group.ready, group.dead) == (0, 1)


async def test_dead_letters_are_listed_in_order_and_stay(rig: Any) -> None:
    """Pages follow an id; the bytes and facts are the original ones."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    letters = await _dead(broker, 5)
    desk = broker.management()

    first = await desk.dead_letters("news", "desk", limit=2)
    rest = await desk.dead_letters("news", "desk", limit=9, after=first[-1].id)
    again = await desk.dead_letters("news", "desk", limit=9)

    assert [entry.id for entry in (*first, *rest)] == [letter.id for letter in letters]
    assert [entry.id for entry in again] == [letter.id for letter in letters]
    assert [entry.message.body for entry in first] == [b"0", b"1"]
    assert first[0].message.lane == "dead"
    assert first[0].message.meta["anymq-reason"] == "test"


async def test_resolved_letters_are_gone_and_the_others_stay_in_order(rig: Any) -> None:
    """Resolving twice is no error."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    letters = await _dead(broker, 4)
    desk = broker.management()
    wanted = [letters[1].id, letters[3].id, "unknown"]

    assert await desk.resolve("news", "desk", wanted, "purged") == 2
    assert await desk.resolve("news", "desk", wanted, "purged") == 0

    left = await desk.dead_letters("news", "desk", limit=9)
    assert [entry.id for entry in left] == [letters[0].id, letters[2].id]


async def test_one_operator_at_a_time(rig: Any) -> None:
    """A second one gets Busy until the first one leaves; looking is allowed."""
    first, second = await rig.broker(), await rig.broker()
    await rig.declare(first, "news", "desk")
    (letter,) = await _dead(first, 1)

    async with first.management().administer("news", "desk", lease_s=30):
        with pytest.raises(Busy):
            await second.management().resolve("news", "desk", [letter.id], "purged")
        with pytest.raises(Busy):
            async with second.management().administer("news", "desk", lease_s=30):
                pass
        with pytest.raises(Busy):
            async with first.management().administer("news", "desk", lease_s=30):
                pass
        assert len(await second.management().dead_letters("news", "desk", limit=9)) == 1
        assert await first.management().resolve("news", "desk", [letter.id], "replayed") == 1

    async with second.management().administer("news", "desk", lease_s=30):
        assert await second.management().resolve("news", "desk", [letter.id], "purged") == 0


async def test_an_operator_who_never_leaves_loses_his_hold(rig: Any) -> None:
    """After the lease another one may begin."""
    first, second = await rig.broker(), await rig.broker()
    await rig.declare(first, "news", "desk")

    async with first.management().administer("news", "desk", lease_s=0.3):
        while True:
            try:
                async with second.management().administer("news", "desk", lease_s=5):
                    break
            except Busy:
                continue
