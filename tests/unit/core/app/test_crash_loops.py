"""A message that kills its process is found, without charging its neighbours."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq import App, Delivery
from anymq.events import AppEvent, CrashLoop
from anymq.memory.broker import MemoryBroker
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import turns, until


class Victims:
    """Processes, one after the other, that die of some message."""

    def __init__(self, url: str, *, deadly: str, max_deliveries: int = 3) -> None:
        self.url = url
        self.deadly = deadly
        self.max_deliveries = max_deliveries
        self.seen: list[list[str]] = []
        self.events: list[AppEvent] = []

    async def live(self, *bodies: str) -> App:
        """One process, from its start to its end (by death or by having nothing left to do)."""
        app, dead, seen = App(self.url), asyncio.Event(), list[str]()
        self.seen.append(seen)
        app.on_event(self.events.append)

        @app.subscriber("t", group="g", max_deliveries=self.max_deliveries, concurrency=2)
        async def handle(body: str, delivery: Delivery) -> None:
            seen.append(body)
            if body == self.deadly:
                dead.set()
                await asyncio.Event().wait()

        await app.start()
        for body in bodies:
            await app.publish("t", body)
        for _ in range(300):
            if dead.is_set():
                break
            await asyncio.sleep(0)
        if dead.is_set():
            broker_of(app).abandon()
        return app


def broker_of(app: App) -> MemoryBroker:
    """The application's memory broker."""
    broker: Any = app.native(MemoryBroker)
    return broker


async def test_the_culprit_is_set_aside_and_its_neighbours_are_handled(url: str) -> None:
    """After so many deaths the message starts alone; after three of those it is dead-lettered."""
    victims = Victims(url, deadly="poison")
    lives = [("poison", "good-1", "good-2"), *[()] * 9]
    apps = [await victims.live(*bodies) for bodies in lives]

    (entry,) = await apps[-1].dead_letters.entries("t", "g")
    for app in apps:
        await app.close(grace_s=0)

    assert (entry.message.body, entry.message.meta["anymq-death-reason"]) == (
        b'"poison"',
        "crash_loop",
    )
    assert {body for seen in victims.seen for body in seen} == {"poison", "good-1", "good-2"}
    assert any(isinstance(event, CrashLoop) for event in victims.events)
    alone = [seen for seen in victims.seen if seen == ["poison"]]
    assert len(alone) >= 3


async def test_a_lone_delivery_starts_when_we_hold_nothing_else(url: str) -> None:
    """And others come again after it."""
    app = App(url)
    seen: list[str] = []
    gate = asyncio.Event()

    @app.subscriber("t", group="g", concurrency=3, prefetch=10)
    async def handle(body: str) -> None:
        seen.append(body)
        if body == "slow":
            await gate.wait()

    async with app:
        await app.publish("t", "slow")
        await until(lambda: seen == ["slow"])
        await _set_aside(app, "alone")
        await app.publish("t", "after")
        await turns(100)
        assert seen == ["slow"]
        gate.set()
        await until(lambda: len(seen) == 3)

    assert seen == ["slow", "alone", "after"]


async def test_a_lone_delivery_keeps_its_lease_while_it_waits(url: str) -> None:
    """A neighbour that takes longer than a lease does not take it away."""
    clock = FakeClock()
    app = App(f"{url}?lease_s=3", clock=clock)
    seen: list[str] = []
    gate = asyncio.Event()

    @app.subscriber("t", group="g", concurrency=3, prefetch=10)
    async def handle(body: str, delivery: Delivery) -> None:
        seen.append(f"{body} {delivery.delivery_count}")
        if body == "slow":
            await gate.wait()

    async with app:
        await app.publish("t", "slow")
        await until(lambda: seen)
        await _set_aside(app, "alone")
        await turns()
        await clock.advance(20)
        gate.set()
        await until(lambda: len(seen) == 2)

    assert seen == ["slow 1", "alone 1"]


async def test_a_lone_delivery_that_is_lost_frees_its_consumer(url: str) -> None:
    """While it waits and while it runs: others are taken again."""
    app = App(url)
    seen: list[str] = []
    gate = asyncio.Event()

    @app.subscriber("t", group="g", name="c", concurrency=3, prefetch=10)
    async def handle(body: str) -> None:
        seen.append(body)
        if body != "after":
            await gate.wait()

    async with app:
        consumer = app.consumers["c"]
        await app.publish("t", "slow")
        await until(lambda: seen == ["slow"])
        await _set_aside(app, "waiting")
        await until(lambda: len(consumer.unsettled()) == 2)
        consumer._lost([d for d in consumer.unsettled() if d.body == b'"waiting"'])
        await app.publish("t", "after")
        await until(lambda: "after" in seen)
        gate.set()
        await until(lambda: not consumer.unsettled())

        gate.clear()
        await _set_aside(app, "running")
        await until(lambda: "running" in seen)
        consumer._lost(consumer.unsettled())
        seen.remove("after")
        await app.publish("t", "after")
        await until(lambda: "after" in seen)


async def test_the_loss_of_others_lets_the_lone_delivery_start(url: str) -> None:
    """It waits for us to hold nothing else, however the else went."""
    app = App(url)
    seen: list[str] = []

    @app.subscriber("t", group="g", name="c", concurrency=3, prefetch=10)
    async def handle(body: str) -> None:
        seen.append(body)
        if body == "slow":
            await asyncio.Event().wait()

    async with app:
        consumer = app.consumers["c"]
        await app.publish("t", "slow")
        await until(lambda: seen == ["slow"])
        await _set_aside(app, "alone")
        await until(lambda: len(consumer.unsettled()) == 2)
        consumer._lost([d for d in consumer.unsettled() if d.body == b'"slow"'])
        await until(lambda: "alone" in seen)


async def test_a_second_lone_delivery_waits_for_its_turn(url: str) -> None:
    """One runs alone at a time; the other goes back meanwhile."""
    app = App(url)
    seen: list[str] = []
    gate = asyncio.Event()

    @app.subscriber("t", group="g", concurrency=3, prefetch=10)
    async def handle(body: str) -> None:
        seen.append(body)
        await gate.wait()

    async with app:
        await _set_aside(app, "one", "two")
        await until(lambda: seen)
        await turns(100)
        assert len(seen) == 1
        gate.set()
        await until(lambda: len(seen) == 2)

    assert sorted(seen) == ["one", "two"]


async def test_anonymous_subscriptions_are_not_guarded(url: str) -> None:
    """What they hold dies with them, so nothing can come back to kill again."""
    app = App(url)
    seen: list[int | None] = []

    @app.subscriber("t", max_deliveries=1)
    async def handle(body: str, delivery: Delivery) -> None:
        seen.append(delivery.delivery_count)

    async with app:
        await app.publish("t", "x")
        await until(lambda: seen == [1])


async def _set_aside(app: App, *bodies: str) -> None:
    """Put messages there as a crash guard sets them aside."""
    built = [app._lifecycle.outgoing.build("t", body) for body in bodies]
    for message in built:
        message.group, message.lane, message.meta = "g", "retry", {"anymq-alone": "1"}
    await broker_of(app).send(built, timeout_s=5)
