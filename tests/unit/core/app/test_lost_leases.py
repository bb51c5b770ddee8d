"""Deliveries that are no longer ours, and plugins that cannot go on."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq import App
from anymq.events import AppEvent, ConsumerStopped, SettlementLost
from anymq.memory.broker import MemoryBroker
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.app.test_steering import states, subscribe
from tests.unit.core.doubles import turns, until


async def test_a_lost_lease_cancels_its_handler_and_nothing_is_settled(url: str) -> None:
    """The message is another's by now; the slot goes on with the next."""
    clock = FakeClock()
    app, heard = App(f"{url}?lease_s=3", clock=clock), list[AppEvent]()
    app.on_event(heard.append)
    work = subscribe(app)
    async with app:
        await app.publish("t", 0)
        await until(lambda: work.begun == [0])
        consumer = app.consumers["c"]
        consumer._lost(consumer.unsettled())
        await until(lambda: work.cancelled == [0])
        assert consumer.unsettled() == []
        work.go.set()
        await app.publish("t", 1)
        await until(lambda: work.ended == [1])
        await turns()
        assert await states(app) == (0, 1, 1)

    assert not any(isinstance(event, SettlementLost) for event in heard)


async def test_what_was_lost_before_it_started_never_starts(app: App) -> None:
    """It leaves the buffer, and its place is free for others."""
    work = subscribe(app)
    async with app:
        await app.publish_many("t", range(3))
        await until(lambda: work.begun == [0])
        await turns()
        consumer = app.consumers["c"]
        consumer._lost([d for d in consumer.unsettled() if d.body != b"0"])
        work.go.set()
        await turns(100)
        assert work.ended == [0]
        assert consumer.unsettled() == []


async def test_leases_are_kept_for_as_long_as_a_handler_runs(url: str) -> None:
    """And for what waits behind it."""
    clock = FakeClock()
    app = App(f"{url}?lease_s=3", clock=clock)
    work = subscribe(app)
    async with app:
        await app.publish_many("t", range(2))
        await until(lambda: work.begun == [0])
        await clock.advance(60)
        work.go.set()
        await until(lambda: work.ended == [0, 1])

    assert work.begun == [0, 1]


async def test_a_handler_that_finished_after_its_lease_is_told_so_once(url: str) -> None:
    """It was never cancelled: it settled too late, and the message may be handled again."""
    app, heard = App(url), list[AppEvent]()
    app.on_event(heard.append)
    work = subscribe(app)
    async with app:
        await app.publish("t", 0, message_id="m0")
        await until(lambda: work.begun == [0])
        broker: Any = app.native(MemoryBroker)
        (subscription,) = broker._subscriptions
        subscription._held.clear()
        subscription._leases.clear()
        work.go.set()
        await until(lambda: any(isinstance(event, SettlementLost) for event in heard))

    assert [e for e in heard if isinstance(e, SettlementLost)] == [
        SettlementLost("t", "g", "m0", "no longer ours")
    ]


async def test_a_plugin_that_cannot_go_on_ends_its_subscriber_loudly(
    app: App, events: list[AppEvent]
) -> None:
    """Told, seen in health, and waited for by whoever runs the application."""
    subscribe(app)
    other_work: list[int] = []

    @app.subscriber("u", group="g", name="other")
    async def handle(body: int) -> None:
        other_work.append(body)

    async with app:
        broker: Any = app.native(MemoryBroker)
        await broker._subscriptions[0].aclose(timeout_s=1)
        error = await asyncio.wait_for(app.wait_failed(), 5)
        health = await app.health()
        await app.publish("u", 1)
        await until(lambda: other_work == [1])

    assert "c: ClosedError" in str(error)
    assert [e.subscriber for e in events if isinstance(e, ConsumerStopped)] == ["c"]
    assert (health.ready, health.live) == (False, True)
    assert "ClosedError" in health.subscribers["c"]
    assert health.subscribers["other"] == "running"
