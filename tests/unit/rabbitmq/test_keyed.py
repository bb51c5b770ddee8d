"""Groups by key on a real server: one message of a key at a time, whoever comes and goes."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest

from anymq.errors import TopologyError
from anymq.message import Delivery
from anymq.outcome import ACK, RELEASE, SETTLED, STALE, Confirmed, Settlement
from anymq.topology import GroupSpec, Source, TopicSpec, Topology, TopologyMode
from anymq_rabbitmq.broker import RabbitMQBroker
from anymq_rabbitmq.keyed import KeyedSubscription
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, message

SOURCE = Source(("news",), "desk", order="key")
QUIET_S = 0.3


async def _declare(rig: Any, broker: RabbitMQBroker, partitions: int = 1) -> None:
    topology = Topology(
        (TopicSpec("news", partitions=partitions),), (GroupSpec("news", "desk", order="key"),)
    )
    await broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    rig.remove_later("news", "desk")


async def _join(broker: RabbitMQBroker, prefetch: int = 30) -> KeyedSubscription:
    joined = await broker.subscribe(SOURCE, prefetch=prefetch, on_lost=lambda _lost: None)
    assert isinstance(joined, KeyedSubscription)
    return joined


async def _send(broker: RabbitMQBroker, *places: tuple[str, int], start: int = 0) -> None:
    """Messages numbered from ``start``, each with its key and partition."""
    messages = [
        message(body=b"%d" % number, key=key, partition=partition)
        for number, (key, partition) in enumerate(places, start)
    ]
    results = await broker.send(messages, timeout_s=CALL_S)
    assert all(isinstance(result, Confirmed) for result in results)


def _bodies(deliveries: Any) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


async def test_the_next_of_a_key_waits_for_the_one_before(rig: Any) -> None:
    """Another key passes meanwhile."""
    broker = await rig.broker()
    await _declare(rig, broker)
    desk = await _join(broker)
    await _send(broker, ("a", 0), ("a", 0), ("b", 0))

    first = await collect(desk, 2)
    assert _bodies(first) == [b"0", b"2"]
    assert list(await desk.receive(max_messages=9, wait_s=QUIET_S)) == []
    await ack(desk, first[:1])
    second = await collect(desk, 1)

    assert _bodies(second) == [b"1"]
    await ack(desk, [first[1], *second])
    assert list(await desk.receive(max_messages=9, wait_s=QUIET_S)) == []


async def test_a_release_does_not_let_the_next_of_the_key_pass(rig: Any) -> None:
    """It comes again, flagged, before what was behind it; the old delivery is stale."""
    broker = await rig.broker()
    await _declare(rig, broker)
    desk = await _join(broker)
    await _send(broker, ("a", 0), ("a", 0))
    (first,) = await collect(desk, 1)

    assert list(await desk.settle([Settlement(first, RELEASE)], timeout_s=CALL_S)) == [SETTLED]

    (again,) = await collect(desk, 1)
    assert (again.body, again.redelivered) == (b"0", True)
    assert list(await desk.settle([Settlement(first, ACK)], timeout_s=CALL_S)) == [STALE]
    await ack(desk, [again])
    (last,) = await collect(desk, 1)
    assert last.body == b"1"
    await ack(desk, [last])


async def test_what_a_closed_member_held_comes_to_the_next_in_order(rig: Any) -> None:
    """Handed out, waiting behind its key, or released after stop: all in the order of sending."""
    broker, other = await rig.broker(), await rig.broker()
    await _declare(rig, broker)
    desk = await _join(broker)
    await _send(broker, *[("a", 0)] * 5, ("b", 0))
    held = await collect(desk, 2)
    await desk.stop()
    await desk.settle([Settlement(d, RELEASE) for d in reversed(held)], timeout_s=CALL_S)
    await desk.aclose(timeout_s=CALL_S)

    next_desk = await _join(other)
    seen: list[bytes] = []
    while len(seen) < 6:
        deliveries = await collect(next_desk, 1)
        seen += _bodies(deliveries)
        await ack(next_desk, deliveries)

    assert [body for body in seen if body != b"5"] == [b"0", b"1", b"2", b"3", b"4"]


async def test_members_share_the_partitions_and_leave_none_behind(rig: Any) -> None:
    """The second gets its part while the first works; when it goes, the first has all again."""
    broker, other = await rig.broker(), await rig.broker()
    await _declare(rig, broker, partitions=4)
    first = await _join(broker)
    assert list(await first.receive(max_messages=1, wait_s=0)) == []
    second = await _join(other)
    assert list(await second.receive(max_messages=1, wait_s=0)) == []

    async def shares(start: int, members: list[KeyedSubscription]) -> list[set[int]]:
        await _send(broker, *[(f"k{n}", n) for n in range(4)], start=start)
        found = [await member.receive(max_messages=9, wait_s=QUIET_S) for member in members]
        for member, deliveries in zip(members, found, strict=True):
            await ack(member, deliveries)
        return [{delivery.partition for delivery in deliveries} for deliveries in found]

    async with asyncio.timeout(CALL_S):
        start = 0
        while await shares(start, [first, second]) != [{0, 2}, {1, 3}]:
            start += 4  # the roll call is under way
    await second.aclose(timeout_s=CALL_S)
    seen: set[int] = set()
    async with asyncio.timeout(CALL_S):
        await _send(broker, *[(f"k{n}", n) for n in range(4)], start=start + 4)
        while seen != {0, 1, 2, 3}:
            deliveries = await first.receive(max_messages=9, wait_s=QUIET_S)
            seen |= {delivery.partition for delivery in deliveries}
            await ack(first, deliveries)


async def test_no_key_is_with_two_members_while_members_come_and_go(rig: Any) -> None:
    """Each key in order, none handled twice at once, nothing lost."""
    sender = await rig.broker()
    await _declare(rig, sender, partitions=3)
    keys = [f"key-{n}" for n in range(6)]
    running: set[str] = set()
    seen: dict[str, list[int]] = {key: [] for key in keys}
    clashes: list[str] = []
    total, complete = 180, asyncio.Event()

    async def handle(member: KeyedSubscription, delivery: Delivery) -> None:
        key = delivery.key or ""
        if key in running:
            clashes.append(key)
        running.add(key)
        await asyncio.sleep(0.002)
        running.discard(key)
        seen[key].append(int(delivery.body))
        if sum(map(len, seen.values())) == total:
            complete.set()
        await ack(member, [delivery])

    async def work(member: KeyedSubscription, ends: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as handlers:
            while not ends.is_set():
                for delivery in await member.receive(max_messages=9, wait_s=0.05):
                    handlers.create_task(handle(member, delivery))
            await member.stop()
        await member.aclose(timeout_s=CALL_S)

    async with asyncio.timeout(3 * CALL_S), asyncio.TaskGroup() as members:
        stays, goes = asyncio.Event(), asyncio.Event()
        members.create_task(work(await _join(sender), stays))
        number = 0
        for turn in range(total // 30):
            places = [(keys[n % 6], n % 3) for n in range(number, number + 30)]
            await _send(sender, *places, start=number)
            number += 30
            if turn % 2 == 0:
                goes = asyncio.Event()
                members.create_task(work(await _join(await rig.broker()), goes))
            else:
                goes.set()
        await complete.wait()
        stays.set()

    assert not clashes
    for key, numbers in seen.items():
        assert numbers == [n for n in range(total) if keys[n % 6] == key]


async def test_a_foreign_message_is_partition_0(rig: Any) -> None:
    """Whatever its routing key; a key of ours goes where it says."""
    broker = await rig.broker()
    await _declare(rig, broker, partitions=2)
    desk = await _join(broker)
    async with await aio_pika.connect(rig.url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(f"{rig.context.namespace}.news")
        for routing_key in ("", "1", "something.else"):
            await exchange.publish(aio_pika.Message(routing_key.encode()), routing_key)

    found = await collect(desk, 3)

    came_from = {d.body: d.token.queue.rpartition("#")[2] for d in found}
    assert came_from == {b"": "0", b"1": "1", b"something.else": "0"}
    await ack(desk, found)


async def test_partitions_and_order_change_only_while_nothing_waits(rig: Any) -> None:
    """Refused by name with a message in it, done once it is empty."""
    broker = await rig.broker()
    await _declare(rig, broker, partitions=2)
    await _send(broker, ("a", 1))
    with pytest.raises(TopologyError, match="2 partitions"):
        await _declare(rig, broker, partitions=3)
    desk = await _join(broker)
    await ack(desk, await collect(desk, 1))
    await desk.aclose(timeout_s=CALL_S)

    await _declare(rig, broker, partitions=3)
    await rig.declare(broker, "news", "desk")  # one partition and no order

    plain = await broker.subscribe(
        Source(("news",), "desk"), prefetch=9, on_lost=lambda _lost: None
    )
    await broker.send([message()], timeout_s=CALL_S)
    await ack(plain, await collect(plain, 1))
    assert [group.members for group in await broker.management().groups("news")] == [1]
