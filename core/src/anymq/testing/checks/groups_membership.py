"""Membership: groups last, members come and go, and work moves without loss."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.message import Delivery
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect

__all__: list[str] = []


@check("GRP-05", "named_group_is_durable")
async def durable(bench: Bench) -> None:
    """Messages sent while no member is up are received later."""
    app, publisher = await bench.app(), await bench.app()
    topic = app.topic(bench.topic())
    publisher.topic(topic)
    collector = bench.collect(app, topic, group="g", concurrency=4)
    await bench.started(publisher)
    await bench.started(app)
    await bench.publish(publisher, topic, 0)
    await bench.exactly(collector, [0])
    await app.stop()
    await bench.publish_many(publisher, topic, range(1, 40))
    await bench.started(app)
    await bench.exactly(collector, range(40))


@check("GRP-06", "start_position")
async def start_position(bench: Bench) -> None:
    """A group starts at its declaration: nothing from before, everything from then on."""
    publisher = await bench.app()
    topic = publisher.topic(bench.topic())
    early = bench.collect(publisher, topic, group="early")
    await bench.started(publisher)
    await bench.publish(publisher, topic, *range(5))
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "late")
    await bench.publish(publisher, topic, *range(5, 10))
    app = await bench.app()
    app.topic(topic)
    late = bench.collect(app, topic, group="late")
    await bench.started(app)
    await bench.publish(publisher, topic, *range(10, 15))
    await bench.exactly(late, range(5, 15))
    await bench.exactly(early, range(15))


@check("GRP-07", "member_leaves_work_moves")
async def work_moves(bench: Bench) -> None:
    """One member closes: its pending work goes to the others at once, uncounted."""
    topic = bench.topic()
    never = asyncio.Event()

    async def hang(value: Any, delivery: Delivery) -> None:
        await never.wait()

    leaver = await bench.app(grace_s=0.05)
    leaver.topic(topic)
    first = bench.collect(leaver, topic, group="g", concurrency=3, prefetch=6, behaviour=hang)
    await bench.started(leaver)
    await bench.publish_many(leaver, topic, range(6))
    await bench.received(first, 3)
    stayer = await bench.app()
    stayer.topic(topic)
    second = bench.collect(stayer, topic, group="g", concurrency=4)
    await bench.started(stayer)
    loop = asyncio.get_running_loop()
    await leaver.stop()
    left = loop.time()
    await bench.received(second, 6)
    took = loop.time() - left
    expect(took < bench.limit(1.0), f"the work moved only after {took:.2f} s")
    await bench.quiet()
    bench.check_exact(second, range(6))
    attempts = {seen.attempt for seen in second.seen}
    expect(attempts == {1}, f"leaving was counted as a failure: attempts {attempts}")


@check("GRP-08", "member_joins_no_loss")
async def joins_no_loss(bench: Bench) -> None:
    """Members join and leave during traffic: nothing lost, extras only for what was in flight."""
    topic = bench.topic()

    async def slow(value: Any, delivery: Delivery) -> None:
        await asyncio.sleep(0.002)

    apps = [await bench.app() for _ in range(3)]
    for app in apps:
        app.topic(topic, partitions=3)
        bench.collect(
            app, topic, group="g", name="member", concurrency=2, prefetch=4, behaviour=slow
        )
    await bench.started(apps[0])
    await bench.publish_many(apps[0], topic, range(100))
    await bench.started(apps[1])
    await bench.publish_many(apps[0], topic, range(100, 200))
    await bench.started(apps[2])
    await apps[1].stop()
    await bench.publish_many(apps[0], topic, range(200, 300))

    def different() -> int:
        return len({value for collector in bench.collectors for value in collector.values})

    await bench.wait(lambda: different() >= 300, "300 different messages", 20)
    await bench.quiet()
    extras = bench.seen - 300
    expect(extras <= 3 * 4, f"{extras} extra deliveries after two joins and a leave")
    flagged = all(s.redelivered or (s.delivery_count or 1) > 1 for s in _again(bench))
    expect(flagged, "a repeated delivery was not flagged")


@check("GRP-09", "leaving_consumer_keeps_pending")
async def keeps_pending(bench: Bench) -> None:
    """A member leaves with unacknowledged messages and nobody else is there: they wait."""
    topic = bench.topic()
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "g")
        subscription = await bench.subscribe(broker, topic, "g")
        messages = [bench.message(topic, b"%d" % n) for n in range(8)]
        await broker.send(messages, timeout_s=5)
        taken = await bench.take(subscription, 8)
        await bench.settle(subscription, *taken[:3])
        await subscription.aclose(timeout_s=5)
        fresh = await bench.subscribe(broker, topic, "g")
        rest = await bench.take(fresh, 5)
        ids = {delivery.id for delivery in rest}
        expect(ids == {m.id for m in messages[3:]}, "other messages came than the unsettled ones")
        more = await fresh.receive(max_messages=10, wait_s=bench.harness.timings.quiet_s)
        expect(not more, f"{len(more)} more came, though three were settled")
        await bench.settle(fresh, *rest)


@check("GRP-13", "declared_group_misses_nothing")
async def misses_nothing(bench: Bench) -> None:
    """Declared, nobody connected, another application publishes: all is received later."""
    topic = bench.topic()
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "g")
    publisher = await bench.app()
    publisher.topic(topic)
    await bench.started(publisher)
    await bench.publish_many(publisher, topic, range(50))
    await publisher.close()
    app = await bench.app()
    app.topic(topic)
    collector = bench.collect(app, topic, group="g", concurrency=4)
    await bench.started(app)
    await bench.exactly(collector, range(50))


def _again(bench: Bench) -> list[Any]:
    """Calls for a message that had been seen before."""
    known: set[Any] = set()
    again = []
    for seen in sorted((s for c in bench.collectors for s in c.seen), key=lambda s: s.at):
        if seen.value in known:
            again.append(seen)
        known.add(seen.value)
    return again
