"""Sending to a real server: what is refused, what is confirmed, and in which order."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from anymq.outcome import Confirmed, Rejected
from tests.unit.rabbitmq.driving import CALL_S, collect, join, message


async def test_a_missing_topic_harms_no_overlapping_send(rig: Any) -> None:
    """Publishing to a missing exchange would close the channel under everybody's confirms."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")

    async with asyncio.TaskGroup() as senders:
        good = [
            senders.create_task(broker.send([message() for _ in range(50)], timeout_s=CALL_S))
            for _ in range(4)
        ]
        bad = senders.create_task(broker.send([message("nowhere")], timeout_s=CALL_S))

    assert all(isinstance(result, Confirmed) for task in good for result in task.result())
    (refused,) = bad.result()
    assert isinstance(refused, Rejected)
    assert refused.code == "not_found"


async def test_a_declared_topic_without_groups_confirms(rig: Any) -> None:
    """Nobody will see it, and that is no error."""
    broker = await rig.broker()
    await rig.declare(broker, "news")

    (result,) = await broker.send([message()], timeout_s=CALL_S)

    assert isinstance(result, Confirmed)


async def test_a_group_address_reaches_that_group_alone(rig: Any) -> None:
    """On either lane; a group that does not exist is refused."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk", "archive")
    mine = [message(group="desk"), message(group="desk", lane="retry")]

    results = await broker.send([*mine, message(group="nobody")], timeout_s=CALL_S)

    assert [type(result) for result in results] == [Confirmed, Confirmed, Rejected]
    desk, archive = await join(broker, "desk"), await join(broker, "archive")
    assert [delivery.id for delivery in await collect(desk, 2)] == [m.id for m in mine]
    assert list(await archive.receive(max_messages=1, wait_s=0.3)) == []


async def test_one_id_several_times_in_flight_gets_its_own_answers(rig: Any) -> None:
    """The client finds a returned message by its id: equal ones must not take each other's."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    same: dict[str, Any] = {"id": uuid4().hex}
    batch = [message(group=group, **same) for group in ("desk", "nobody", "desk", "nobody")]

    results = await broker.send(batch, timeout_s=CALL_S)

    assert [type(result) for result in results] == [Confirmed, Rejected, Confirmed, Rejected]
    desk = await join(broker, "desk")
    assert [delivery.id for delivery in await collect(desk, 2)] == [same["id"]] * 2


async def test_too_much_metadata_is_refused_and_the_connection_lives(rig: Any) -> None:
    """A header frame above the limit would end the connection."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    large = message(headers={"large": "x" * 140_000})

    results = await broker.send([message(), large, message()], timeout_s=CALL_S)

    assert [type(result) for result in results] == [Confirmed, Rejected, Confirmed]
    assert rig.events[-1].kind == "connected"


async def test_bodies_of_many_frames_and_of_none_arrive_whole(rig: Any) -> None:
    """A frame holds 128 KiB; an empty body has no frame at all."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    bodies = [b"", bytes(range(256)) * 4096, b"x" * 131_064, b"y" * 131_065]

    await broker.send([message(body=body) for body in bodies], timeout_s=CALL_S)

    desk = await join(broker, "desk")
    assert [delivery.body for delivery in await collect(desk, len(bodies))] == bodies


async def test_overlapping_sends_keep_the_order_of_their_calls(rig: Any) -> None:
    """Also when the first one has to ask whether the topic exists."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    other = await rig.broker()
    batches = [[message(key="k") for _ in range(20)] for _ in range(10)]

    async with asyncio.TaskGroup() as senders:
        for batch in batches:
            senders.create_task(other.send(batch, timeout_s=CALL_S))

    desk = await join(broker, "desk")
    sent = [each.id for batch in batches for each in batch]
    assert [delivery.id for delivery in await collect(desk, len(sent))] == sent


async def test_a_cancelled_send_leaves_the_channel_usable(rig: Any) -> None:
    """Cancelled at any moment: the next confirms belong to the next messages."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    for turns in range(40):
        async with asyncio.TaskGroup() as senders:
            sender = senders.create_task(broker.send([message()] * 3, timeout_s=CALL_S))
            for _ in range(turns):
                await asyncio.sleep(0)
            sender.cancel()

    results = await broker.send([message(), message(group="nobody")], timeout_s=CALL_S)

    assert [type(result) for result in results] == [Confirmed, Rejected]
