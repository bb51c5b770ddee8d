"""Settling: what was acknowledged is gone, what was not comes again, and the first word counts."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.capabilities import Support
from anymq.message import Delivery
from anymq.outcome import Ack, Release, Retry
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.probe import is_settled, nothing_more, pending, short_lease

__all__: list[str] = []


@check("ACK-01", "not_acked_is_redelivered")
async def not_acked_is_redelivered(bench: Bench) -> None:
    """A consumer dies without settling: another one gets its messages, flagged."""
    topic = bench.topic()
    blocked = asyncio.Event()

    async def hang(value: Any, delivery: Delivery) -> None:
        await blocked.wait()

    victim = await bench.app(plugin=short_lease(bench))
    victim.topic(topic)
    first = bench.collect(victim, topic, group="g", concurrency=5, prefetch=5, behaviour=hang)
    await bench.started(victim)
    await bench.publish_many(victim, topic, range(5))
    await bench.received(first, 5)
    await bench.crash(victim)
    survivor = await bench.app(plugin=short_lease(bench))
    survivor.topic(topic)
    second = bench.collect(survivor, topic, group="g", concurrency=5)
    await bench.started(survivor)
    lease_s = bench.capabilities.lease_s
    limit_s = 15 if lease_s is None else bench.harness.timings.lease_s * 4 + 5
    await bench.received(second, 5, limit_s=limit_s)
    await bench.quiet()
    bench.check_exact(second, range(5))
    if bench.capabilities.level("delivery_count") is Support.NATIVE:
        counts = [seen.delivery_count or 0 for seen in first.seen]
        expect(counts == [1] * 5, f"first deliveries are counted as {counts}")
        counts = [seen.delivery_count or 0 for seen in second.seen]
        expect(min(counts) > 1, f"after the crash of their consumer deliveries count {counts}")
    for seen in second.seen:
        flagged = seen.redelivered or (seen.delivery_count or 1) > 1
        expect(flagged, f"{seen.value} came again, and nothing says so")
    expect(all(seen.attempt == 1 for seen in second.seen), "a crash was counted as a failure")


@check("ACK-02", "acked_is_not_redelivered")
async def acked_is_not_redelivered(bench: Bench) -> None:
    """After ack and restart of the application nothing comes."""
    topic = bench.topic()
    app = await bench.app()
    app.topic(topic)
    collector = bench.collect(app, topic, group="g", concurrency=4)
    await bench.started(app)
    await bench.publish_many(app, topic, range(30))
    await bench.exactly(collector, range(30))
    await app.stop(grace_s=2)
    await bench.started(app)
    await bench.publish(app, topic, "after")
    await bench.exactly(collector, [*range(30), "after"])


@check("ACK-03", "ack_only_after_handler")
async def ack_only_after_handler(bench: Bench) -> None:
    """The backend counts the message as pending while the handler runs, and not afterwards."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    go = asyncio.Event()

    async def wait(value: Any, delivery: Delivery) -> None:
        await go.wait()

    collector = bench.collect(app, topic, group="g", behaviour=wait)
    await bench.started(app)
    await bench.publish(app, topic, 1)
    await bench.received(collector, 1)
    await bench.quiet()
    expect(await pending(bench, app, topic) > 0, "acknowledged while the handler was running")
    go.set()
    await bench.wait_async(
        lambda: is_settled(bench, app, topic), "the message to be acknowledged after its handler"
    )


@check("ACK-04", "no_next_before_ack")
async def no_next_before_ack(bench: Bench) -> None:
    """With concurrency and prefetch 1 the second message waits for the first one's settlement."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        subscription = await bench.subscribe(broker, topic, "g", prefetch=1)
        await broker.send([bench.message(topic), bench.message(topic)], timeout_s=5)
        first = (await bench.take(subscription, 1))[0]
        complaint = "a second message came before the first was settled (prefetch 1)"
        await nothing_more(bench, subscription, complaint)
        await bench.settle(subscription, first)
        await bench.settle(subscription, (await bench.take(subscription, 1))[0])
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def slow(value: Any, delivery: Delivery) -> None:
        await asyncio.sleep(0.01)

    collector = bench.collect(app, topic, group="g", concurrency=1, prefetch=1, behaviour=slow)
    await bench.started(app)
    await bench.publish_many(app, topic, range(5))
    await bench.exactly(collector, range(5))
    expect(collector.peak == 1, f"{collector.peak} handlers ran at once with concurrency 1")


@check("ACK-05", "nack_requeues", needs=("release",))
async def nack_requeues(bench: Bench) -> None:
    """A released message comes again, uncounted, and can be acknowledged then."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def release_once(value: Any, delivery: Delivery) -> Any:
        return Release() if collector.counts[value] == 1 else Ack()

    collector = bench.collect(app, topic, group="g", behaviour=release_once)
    await bench.started(app)
    ids = await bench.publish(app, topic, "a", "b")
    await bench.received(collector, 4)
    await bench.quiet()
    expect(collector.counts == {"a": 2, "b": 2}, f"seen {dict(collector.counts)}, not twice each")
    expect({s.id for s in collector.seen} == set(ids), "a released message changed its id")
    expect(all(s.attempt == 1 for s in collector.seen), "a release was counted as a failure")


@check("ACK-06", "many_nacks_then_continue", needs=("release",))
async def many_nacks(bench: Bench) -> None:
    """100 releases by three consumers, then all is received and nothing is left."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    released: set[int] = set()

    async def release_once(value: int, delivery: Delivery) -> Any:
        if value in released:
            return None
        released.add(value)
        return Release()

    bench.collect(app, topic, group="g", concurrency=3, behaviour=release_once)
    others = [await bench.app(), await bench.app()]
    for other in others:
        other.topic(topic)
        bench.collect(other, topic, group="g", concurrency=3, behaviour=release_once)
    for one in (app, *others):
        await bench.started(one)
    await bench.publish_many(app, topic, range(100))
    await bench.wait(lambda: bench.seen >= 200, "100 releases and 100 acks", 10)
    await bench.quiet()
    handled = [value for collector in bench.collectors for value in collector.values]
    twice = all(handled.count(n) == 2 for n in range(100))
    expect(twice, "not every message was released once and then handled once")


@check("ACK-07", "nack_with_delay", needs=("delayed_retry",))
async def nack_with_delay(bench: Bench) -> None:
    """Not before the delay, then delivered, counted; other messages pass meanwhile."""
    delay_s = 0.4
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def later(value: Any, delivery: Delivery) -> Any:
        return Retry(delay_s) if value == "late" and delivery.attempt == 1 else None

    collector = bench.collect(app, topic, group="g", behaviour=later)
    await bench.started(app)
    await bench.publish(app, topic, "late", "other")
    await bench.received(collector, 3, limit_s=10)
    order = collector.values
    expect(order == ["late", "other", "late"], f"seen in the order {order}")
    first, _, again = collector.seen
    gap = again.at - first.at
    expect(gap >= delay_s, f"came again after {gap:.3f} s, before the delay of {delay_s} s")
    expect(again.attempt == 2, f"the retry is attempt {again.attempt}, not 2")
    late = bench.harness.timings.late_s + 1.0
    expect(gap <= delay_s + late * bench.harness.timings.scale, f"came {gap:.3f} s later")


@check("ACK-08", "nack_has_no_hot_loop", needs=("release",))
async def no_hot_loop(bench: Bench) -> None:
    """A handler that always releases gets its message again, but not as fast as the loop turns."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def always(value: Any, delivery: Delivery) -> Any:
        return Release()

    collector = bench.collect(app, topic, group="g", behaviour=always)
    await bench.started(app)
    await bench.publish(app, topic, 1)
    await bench.received(collector, 2)
    await bench.quiet(1.0)
    count = len(collector.seen)
    expect(count <= 20, f"{count} deliveries of one released message within a second")
