"""One subscription over the three levels of a prioritised topic."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anymq import App, ClosedError, Delivery, PublishRejected, RetryPolicy, TopologyError
from anymq.abc import Subscription
from anymq.emulation.priority_subscription import PrioritySubscription
from anymq.outcome import ACK, SETTLED, STALE, Settlement
from anymq.topology import GroupSpec, Source, TopicSpec
from tests.unit.core.doubles import FakeBroker, FakeSubscription, turns, until
from tests.unit.core.memory.conftest import Rig, ids
from tests.unit.core.memory.conftest import rig as rig  # noqa: PLC0414 - a fixture for these tests

LEVELS = ("anymq.high.t", "t", "anymq.low.t")


async def join(rig: Rig, prefetch: int = 10) -> PrioritySubscription:
    """All three levels of ``t``, declared."""
    await rig.declare(
        *(GroupSpec(topic, "g") for topic in LEVELS),
        topics=[TopicSpec(topic) for topic in LEVELS],
    )
    return await PrioritySubscription.open(
        rig.broker, Source(("t",), "g"), prefetch=prefetch, on_lost=rig.lost.extend, leveled={"t"}
    )


async def send(rig: Rig, level: int, *numbers: int) -> None:
    await rig.send(*numbers, topic=LEVELS[level], priority=2 - level)


async def take(subscription: Subscription, limit: int = 10, wait_s: float = 0) -> list[Delivery]:
    return list(await subscription.receive(max_messages=limit, wait_s=wait_s))


async def test_higher_levels_come_first_under_the_logical_topic(rig: Rig) -> None:
    """The handler sees one topic."""
    subscription = await join(rig)
    for level, number in ((2, 3), (1, 2), (0, 1)):
        await send(rig, level, number)

    taken = await take(subscription)

    assert ids(taken) == ["m1", "m2", "m3"]
    assert {delivery.topic for delivery in taken} == {"t"}


async def test_the_lowest_is_looked_at_first_now_and_then(rig: Rig) -> None:
    """One receive in eight: nobody starves while higher ones come without end."""
    subscription = await join(rig, prefetch=100)
    await send(rig, 2, 99)
    taken: list[str] = []
    for number in range(8):
        await send(rig, 0, number)
        taken += ids(await take(subscription, 1))

    assert "m99" in taken


async def test_settling_finds_the_level_of_each(rig: Rig) -> None:
    """In one call, in any mixture, answers in order."""
    subscription = await join(rig)
    for level in range(3):
        await send(rig, level, level)
    taken = await take(subscription)

    results = await subscription.settle(
        [Settlement(d, ACK) for d in (taken[2], taken[0], taken[0], taken[1])], timeout_s=1
    )

    assert results == [SETTLED, SETTLED, STALE, SETTLED]
    assert rig.space.topics[LEVELS[0]].groups["g"].in_flight == 0


async def test_waiting_ends_with_the_first_message_of_any_level(rig: Rig) -> None:
    """And with its time."""
    subscription = await join(rig)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(take(subscription, wait_s=10))
        await turns()
        await send(rig, 2, 5)
        await turns()
        assert ids(waiting.result()) == ["m5"]

        waiting = group.create_task(take(subscription, wait_s=10))
        await rig.clock.advance(11)
        await turns()
        assert waiting.result() == []


async def test_no_more_is_returned_than_asked_for(rig: Rig) -> None:
    """Also when all levels bring something at the same moment; the rest comes next."""
    subscription = await join(rig)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(take(subscription, 1, wait_s=10))
        await turns()
        for level in range(3):
            await send(rig, level, level)
        await turns()
        first = waiting.result()

    assert len(first) == 1
    assert len(await take(subscription, 5)) == 2


async def test_what_was_taken_and_not_returned_keeps_its_lease(rig: Rig) -> None:
    """Until it is asked for."""
    subscription = await join(rig)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(take(subscription, 1, wait_s=10))
        await turns()
        for level in range(3):
            await send(rig, level, level)
        await turns()
    for _ in range(6):
        await subscription.keep(waiting.result())
        await rig.clock.advance(10)

    assert rig.lost == []
    assert len(await take(subscription, 5)) == 2


async def test_leases_are_kept_and_lost_per_level(rig: Rig) -> None:
    """What is lost is told as it was handed out."""
    subscription = await join(rig)
    await send(rig, 0, 1)
    await send(rig, 2, 2)
    high, low = await take(subscription)
    await rig.clock.advance(20)
    assert await subscription.keep([high]) == []
    await rig.clock.advance(15)

    assert [(d.id, d.topic, d.token) for d in rig.lost] == [("m2", "t", low.token)]
    assert [d.token for d in await subscription.keep([high, low])] == [low.token]


async def test_an_error_of_one_level_is_raised_as_it_is(rig: Rig) -> None:
    """Not wrapped in a group: core decides by its kind."""
    subscription = await join(rig)
    async with asyncio.TaskGroup() as group:

        async def receive() -> None:
            with pytest.raises(ClosedError):
                await take(subscription, wait_s=10)

        group.create_task(receive())
        await turns()
        await subscription._levels[1].aclose(timeout_s=1)


async def test_pausing_resuming_stopping_and_closing_reach_all_levels() -> None:
    """Each exactly once."""
    levels = [FakeSubscription() for _ in range(3)]
    subscription = PrioritySubscription(levels)
    await subscription.pause()
    await subscription.resume()
    await subscription.stop()
    await subscription.aclose(timeout_s=1)

    assert [level.calls for level in levels] == [["pause", "resume", "stop", "aclose"]] * 3


async def test_a_level_that_cannot_be_joined_leaves_none_joined() -> None:
    """Those opened before it are closed again."""
    opened: list[FakeSubscription] = []

    class Broker(FakeBroker):
        async def subscribe(self, source: Source, **options: Any) -> Subscription:
            if source.topics == ("anymq.low.t",):
                raise TopologyError("no such topic")
            opened.append(FakeSubscription())
            return opened[-1]

    with pytest.raises(TopologyError):
        await PrioritySubscription.open(
            Broker(), Source(("t",), "g"), prefetch=1, on_lost=lambda lost: None, leveled={"t"}
        )
    assert [subscription.calls for subscription in opened] == [["aclose"], ["aclose"]]


NOT_PRIORITY = "release,retry,dead_letter,due_at,ttl"


@pytest.mark.parametrize("native", ["none", NOT_PRIORITY, "release,retry,due_at"])
async def test_priorities_are_emulated_for_an_application(url: str, native: str) -> None:
    """Higher first; retries and dead letters of every level are found under the topic."""
    app = App(f"{url}?native={native}")
    app.topic("t", priorities=True)
    seen: list[str] = []
    gate = asyncio.Event()

    @app.subscriber("t", group="g", prefetch=1, retry=RetryPolicy(max_attempts=2, first_delay_s=0))
    async def handle(body: str, delivery: Delivery) -> None:
        seen.append(f"{body} {delivery.topic}")
        if body == "first":
            await gate.wait()
        if body == "bad":
            raise LookupError("x")

    async with app:
        await app.publish("t", "first")
        await until(lambda: seen)
        for body, priority in (("low", "low"), ("normal", "normal"), ("high", "high")):
            await app.publish("t", body, priority=priority)
        await turns()
        gate.set()
        await until(lambda: len(seen) == 4)
        assert seen == ["first t", "high t", "normal t", "low t"]

        await app.publish("t", "bad", priority="high")
        await until(lambda: len(seen) == 6)
        await turns(100)
        entries = await app.dead_letters.entries("t", "g")
    assert [entry.message.body for entry in entries] == [b'"bad"']
    assert seen[4:] == ["bad t", "bad t"]


async def test_a_subscriber_may_read_prioritised_and_other_topics(url: str) -> None:
    """Only those that were declared with priorities have levels."""
    app = App(f"{url}?native=none")
    app.topic("t", priorities=True)
    seen: list[str] = []

    @app.subscriber("t", "plain", group="g")
    async def handle(body: str, delivery: Delivery) -> None:
        seen.append(f"{body} {delivery.topic}")

    async with app:
        await app.publish("t", "x", priority="low")
        await app.publish("plain", "y")
        await until(lambda: len(seen) == 2)

    assert sorted(seen) == ["x t", "y plain"]


async def test_what_was_taken_ahead_is_not_handed_out_while_paused_or_stopped(rig: Rig) -> None:
    """And what was lost of it never; closing gives it back."""
    subscription = await join(rig)
    async with asyncio.TaskGroup() as group:
        group.create_task(take(subscription, 1, wait_s=10))
        await turns()
        for level in range(3):
            await send(rig, level, level)
        await turns()
    await subscription.pause()
    assert await take(subscription) == []
    await rig.clock.advance(31)
    await subscription.resume()
    again = await take(subscription)
    assert [delivery.delivery_count for delivery in again] == [2, 2, 2]
    await subscription.stop()
    assert await take(subscription) == []


async def test_a_priority_nobody_declared_is_refused(url: str) -> None:
    """Where it is emulated; with native priorities no declaration is needed."""
    for native, is_refused in (("none", True), ("all", False)):
        app = App(f"{url}-{native}?native={native}")
        app.topic("t")
        async with app:
            if is_refused:
                with pytest.raises(PublishRejected, match="priorities=True"):
                    await app.publish("t", 1, priority="high")
            else:
                await app.publish("t", 1, priority="high")
