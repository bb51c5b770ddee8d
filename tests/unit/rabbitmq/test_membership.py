"""Subscriptions on a real server: what is held, given back, lost and private."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from anymq.errors import ClosedError, TopologyError, UnsupportedError
from anymq.message import Delivery
from anymq.outcome import ACK, RELEASE, SETTLED, STALE, Confirmed, DeadLetter, Retry, Settlement
from tests.unit.rabbitmq.driving import CALL_S, ack, collect, join, message


async def test_a_released_delivery_comes_again_counted_by_the_server_only(rig: Any) -> None:
    """The attempt stays, the delivery count rises."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    await broker.send([message()], timeout_s=CALL_S)
    (first,) = await collect(desk, 1)

    results = await desk.settle([Settlement(first, RELEASE)], timeout_s=CALL_S)

    assert list(results) == [SETTLED]
    (again,) = await collect(desk, 1)
    assert (again.id, again.attempt) == (first.id, 1)
    assert (first.delivery_count, again.delivery_count) == (1, 2)
    assert (first.redelivered, again.redelivered) == (False, True)
    await ack(desk, [again])


async def test_a_second_settlement_is_stale(rig: Any) -> None:
    """The first one wins."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    await broker.send([message()], timeout_s=CALL_S)
    (delivery,) = await collect(desk, 1)
    await ack(desk, [delivery])

    assert list(await desk.settle([Settlement(delivery, ACK)], timeout_s=CALL_S)) == [STALE]


async def test_no_more_than_prefetch_is_unsettled(rig: Any) -> None:
    """On one topic and on several; a settlement makes room."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    await rig.declare(broker, "sport", "desk")
    desk = await join(broker, "desk", "news", "sport", prefetch=3)
    await broker.send([message(t) for t in ("news", "sport") for _ in range(5)], timeout_s=CALL_S)

    held = await collect(desk, 3)

    assert list(await desk.receive(max_messages=10, wait_s=0.3)) == []
    assert {delivery.topic for delivery in held} <= {"news", "sport"}
    settled = 0
    while settled < 10:
        assert len(held) <= 3
        await ack(desk, held)
        settled += len(held)
        held = list(await desk.receive(max_messages=10, wait_s=CALL_S if settled < 10 else 0))


async def test_stop_gives_back_what_waits_and_settles_what_is_held(rig: Any) -> None:
    """Another member gets the rest; receive returns at once, and settle still works."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    leaving = await join(broker, "desk", prefetch=10)
    sent = [message() for _ in range(10)]
    await broker.send(sent, timeout_s=CALL_S)
    held = await collect(leaving, 2)

    await leaving.stop()

    assert list(await leaving.receive(max_messages=5, wait_s=CALL_S)) == []
    await ack(leaving, held)
    staying = await join(broker, "desk")
    rest = await collect(staying, 8)
    assert {d.id for d in (*held, *rest)} == {m.id for m in sent}
    await ack(staying, rest)


async def test_a_waiting_receive_is_woken_by_stop_and_by_close(rig: Any) -> None:
    """By stop with nothing, by close with an error."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")

    async with asyncio.timeout(CALL_S), asyncio.TaskGroup() as waiting:
        receiving = waiting.create_task(desk.receive(max_messages=1, wait_s=60))
        await asyncio.sleep(0)
        await desk.stop()
    assert list(receiving.result()) == []

    await desk.aclose(timeout_s=CALL_S)
    with pytest.raises(ClosedError):
        await desk.receive(max_messages=1, wait_s=1)


async def test_a_paused_member_takes_nothing_and_goes_on(rig: Any) -> None:
    """What had arrived goes to others, what is held can be settled."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk", prefetch=5)
    await broker.send([message() for _ in range(5)], timeout_s=CALL_S)
    held = await collect(desk, 1)

    await desk.pause()
    await desk.pause()

    assert list(await desk.receive(max_messages=5, wait_s=0.3)) == []
    await ack(desk, held)
    await desk.resume()
    await ack(desk, await collect(desk, 4))


async def test_closing_gives_back_what_is_held_at_once(rig: Any) -> None:
    """It comes to another member, flagged."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    first, second = await join(broker, "desk", prefetch=10), await rig.broker()
    await broker.send([message() for _ in range(3)], timeout_s=CALL_S)
    held = await collect(first, 3)
    other = await join(second, "desk")

    await first.aclose(timeout_s=CALL_S)

    again = await collect(other, 3)
    assert [d.id for d in again] == [d.id for d in held]
    assert all(d.redelivered for d in again)
    await ack(other, again)


async def test_a_lost_connection_makes_deliveries_stale_and_brings_them_again(rig: Any) -> None:
    """They are told as lost, cannot be settled, and come again; nobody sees an error."""
    cable = await rig.cable()
    broker = await rig.broker(host="127.0.0.1", port=cable.port)
    await rig.declare(broker, "news", "desk")
    lost: list[Delivery] = []
    desk = await join(broker, "desk", prefetch=10, on_lost=lost.extend)
    await broker.send([message() for _ in range(3)], timeout_s=CALL_S)
    held = await collect(desk, 3)

    cable.cut()
    await rig.until("recovered")

    again = await collect(desk, 3)
    assert lost == held
    assert list(await desk.settle([Settlement(held[0], ACK)], timeout_s=CALL_S)) == [STALE]
    assert [d.id for d in again] == [d.id for d in held]
    assert all(d.redelivered for d in again)
    await ack(desk, again)
    (result,) = await broker.send([message()], timeout_s=CALL_S)
    assert isinstance(result, Confirmed)
    await ack(desk, await collect(desk, 1))
    assert (await broker.health()).status == "up"


async def test_an_anonymous_subscription_is_private_and_leaves_nothing(rig: Any) -> None:
    """Each gets what is sent from now on, a retry comes to it alone, and its queue goes."""
    broker = await rig.broker()
    await rig.declare(broker, "news")
    await broker.send([message()], timeout_s=CALL_S)
    one, other = await join(broker, None), await join(broker, None)
    sent = message()
    await broker.send([sent], timeout_s=CALL_S)
    (mine,), (theirs,) = await collect(one, 1), await collect(other, 1)
    assert (mine.id, mine.group, theirs.id) == (sent.id, None, sent.id)

    retry = [Settlement(mine, Retry(0.0), mine.message)]
    assert list(await one.settle(retry, timeout_s=CALL_S)) == [SETTLED]

    (again,) = await collect(one, 1)
    assert (again.id, again.group) == (sent.id, None)
    assert list(await other.receive(max_messages=1, wait_s=0.3)) == []
    queue = f"{rig.context.namespace}.news.{again.message.group}"
    assert await broker._directory.count(queue) is not None
    await one.aclose(timeout_s=CALL_S)
    assert await broker._directory.count(queue) is None


async def test_what_cannot_be_subscribed_is_told_at_once(rig: Any) -> None:
    """A missing group, a missing topic, a pattern that nobody declared."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")

    with pytest.raises(TopologyError):
        await join(broker, "nobody")
    with pytest.raises(TopologyError):
        await join(broker, None, "nowhere")
    with pytest.raises(TopologyError):
        await join(broker, "desk", "news.*")


async def test_dead_letters_are_left_to_core(rig: Any) -> None:
    """Handing one over is a mistake of the caller, not a delivery lost."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    desk = await join(broker, "desk")
    await broker.send([message()], timeout_s=CALL_S)
    held = await collect(desk, 1)

    with pytest.raises(UnsupportedError):
        await desk.settle([Settlement(held[0], DeadLetter("x"))], timeout_s=CALL_S)

    await ack(desk, held)


@pytest.mark.exclusive
async def test_a_delayed_message_reaches_every_group_when_due(rig: Any) -> None:
    """Never early, at most a second late; the ladder's traces are not among the headers."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk", "archive")
    desk, archive = await join(broker, "desk"), await join(broker, "archive")
    due_at = time.time() + 1.5
    sent = [message(due_at=due_at, headers={"mine": "y"}), message(due_at=due_at, group="desk")]

    results = await broker.send(sent, timeout_s=CALL_S)

    assert all(isinstance(result, Confirmed) for result in results)
    everything, public = await collect(desk, 2), await collect(archive, 1)
    assert due_at <= time.time() <= due_at + 1.1
    assert {d.id for d in everything} == {m.id for m in sent}
    assert [dict(d.headers) for d in public] == [{"mine": "y"}]
    await ack(desk, everything)
    await ack(archive, public)


async def test_the_delayed_messages_of_a_removed_group_go_with_it(rig: Any) -> None:
    """Nothing stays on the ladder, where it would be handed on for ever."""
    broker = await rig.broker()
    await rig.declare(broker, "news", "desk")
    await broker.send([message(group="desk", due_at=time.time() + 1)], timeout_s=CALL_S)

    await broker.management().remove_group("news", "desk")

    async with asyncio.timeout(CALL_S):
        while await broker._directory.count("anymq.delay.0") != (0, 0):
            continue
    assert await broker._directory.count("anymq.delay.sink") == (0, 0)


async def test_an_abandoned_member_settles_nothing(rig: Any) -> None:
    """As after a kill: an ack of later is stale, nobody hears of a loss, and it comes again."""
    killed = await rig.broker()
    await rig.declare(killed, "news", "desk")
    lost: list[Delivery] = []
    desk = await join(killed, "desk", on_lost=lost.extend)
    await killed.send([message()], timeout_s=CALL_S)
    (delivery,) = await collect(desk, 1)

    killed.abandon()

    assert list(await desk.settle([Settlement(delivery, ACK)], timeout_s=CALL_S)) == [STALE]
    (again,) = await collect(await join(await rig.broker(), "desk"), 1)
    assert (again.id, again.redelivered) == (delivery.id, True)
    assert lost == []
