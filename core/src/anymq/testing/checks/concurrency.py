"""Concurrency and back-pressure: limits are reached, never exceeded, and can be changed."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.abc import Broker, Subscription
from anymq.errors import BufferFull
from anymq.message import Delivery, Message
from anymq.support.partitioner import partition_of
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.probe import nothing_more

__all__: list[str] = []

PARTITIONS = 4


class _Gate:
    """A handler that waits to be let through, and counts who is inside."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = 0
        self.peak = 0

    async def __call__(self, value: Any, delivery: Delivery) -> None:
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        try:
            await self.open.wait()
        finally:
            self.inside -= 1


@check("CON-01", "concurrency_limit_is_reached_and_not_exceeded")
async def limit_reached(bench: Bench) -> None:
    """Exactly k handlers in parallel, for async and for plain functions."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    gate = _Gate()
    collector = bench.collect(app, topic, group="g", concurrency=5, prefetch=20, behaviour=gate)
    await bench.started(app)
    await bench.publish_many(app, topic, range(20))
    await bench.wait(lambda: gate.inside == 5, "five handlers at once")
    await bench.quiet()
    expect(gate.peak == 5, f"{gate.peak} handlers at once with concurrency 5")
    gate.open.set()
    await bench.exactly(collector, range(20))


@check("CON-02", "raise_limit_at_run_time")
async def raise_limit(bench: Bench) -> None:
    """A higher limit is honoured at once, nothing lost."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    gate = _Gate()
    collector = bench.collect(app, topic, group="g", concurrency=2, prefetch=30, behaviour=gate)
    await bench.started(app)
    await bench.publish_many(app, topic, range(30))
    await bench.wait(lambda: gate.inside == 2, "two handlers at once")
    app.consumers["collector-1"].set_concurrency(6)
    await bench.wait(lambda: gate.inside == 6, "six handlers after the limit was raised")
    await bench.quiet()
    expect(gate.peak == 6, f"{gate.peak} handlers at once with concurrency 6")
    gate.open.set()
    await bench.exactly(collector, range(30))


@check("CON-03", "lower_limit_at_run_time")
async def lower_limit(bench: Bench) -> None:
    """A lower limit holds as soon as running handlers ended; nothing lost."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    peak_after = 0
    lowered = False

    async def watch(value: Any, delivery: Delivery) -> None:
        nonlocal peak_after
        began_after = lowered
        await asyncio.sleep(0.002)
        if began_after:
            peak_after = max(peak_after, collector.running)

    collector = bench.collect(app, topic, group="g", concurrency=8, prefetch=16, behaviour=watch)
    await bench.started(app)
    await bench.publish_many(app, topic, range(40))
    await bench.received(collector, 16)
    app.consumers["collector-1"].set_concurrency(1)
    await bench.wait(lambda: collector.running <= 1, "the handlers beyond the limit to end")
    lowered = True
    await bench.publish_many(app, topic, range(40, 80))
    await bench.exactly(collector, range(80))
    expect(peak_after <= 1, f"{peak_after} handlers at once after the limit was lowered to 1")


@check("CON-04", "concurrent_receivers_get_all")
async def concurrent_receivers(bench: Bench) -> None:
    """Several receivers in a process together get everything, each message once."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        members = [await bench.subscribe(broker, topic, "g", prefetch=10) for _ in range(4)]
        sent = [bench.message(topic, b"%d" % n) for n in range(200)]
        await broker.send(sent, timeout_s=5)
        got: list[str] = []

        async def drain(member: Any) -> None:
            while len(got) < 200:
                fresh = await member.receive(max_messages=5, wait_s=0.2)
                got.extend(delivery.id for delivery in fresh)
                await bench.settle(member, *fresh)

        async with asyncio.timeout(bench.limit(15)), asyncio.TaskGroup() as group:
            for member in members:
                group.create_task(drain(member))
        expect(len(got) == 200, f"{len(got)} deliveries of 200 messages")
        expect(set(got) == {m.id for m in sent}, "the members together did not get everything")


@check("CON-05", "prefetch_is_bounded")
async def prefetch_bounded(bench: Bench) -> None:
    """In flight and buffered together stay within prefetch; a backlog is not hoarded."""
    await _not_hoarded(bench)
    app = await bench.app(grace_s=0.1)
    topic = app.topic(bench.topic())
    gate = _Gate()
    bench.collect(app, topic, group="g", concurrency=2, prefetch=5, behaviour=gate)
    await bench.started(app)
    await bench.publish_many(app, topic, range(50))
    await bench.wait(lambda: gate.inside == 2, "two handlers")
    await bench.quiet()
    management = app._lifecycle.engine.broker.management()
    state = (await management.groups(topic))[0]
    if state.in_flight is not None:
        expect(state.in_flight <= 5, f"{state.in_flight} in flight with a prefetch of 5")
    gate.open.set()


async def _not_hoarded(bench: Bench) -> None:
    """A full member leaves the others all that is not in a partition of its own."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g", partitions=PARTITIONS)
        hoarder = await bench.subscribe(broker, topic, "g", prefetch=7)
        other = await bench.subscribe(broker, topic, "g", prefetch=100)
        await _share(bench, broker, topic, hoarder, other)
        await broker.send(_keyed(bench, topic, 60), timeout_s=bench.limit(5))
        held = await bench.take(hoarder, 7)
        await nothing_more(bench, hoarder, "deliveries beyond a prefetch of 7")
        rest = await _until_quiet(bench, other)
        expect(rest, "a member that holds as much as its prefetch kept the others from the rest")
        await bench.settle(hoarder, *held)
        late: list[Delivery] = []
        while len(late) < 60 - len(held) - len(rest):
            late += (got := await bench.take(hoarder, 1))
            await bench.settle(hoarder, *got)
        free = {d.message.partition for d in rest} & {d.message.partition for d in late}
        expect(not free, f"of partitions {sorted(free)} a full member kept back messages")
        ids = {d.id for d in (*held, *rest, *late)}
        expect(len(ids) == 60, f"{len(ids)} of 60 messages came, some of them twice")


def _keyed(bench: Bench, topic: str, count: int) -> list[Message]:
    """Messages of as many keys, so of every partition."""
    keys = [f"k{n}" for n in range(count)]
    return [bench.message(topic, key=k, partition=partition_of(k, PARTITIONS)) for k in keys]


async def _share(bench: Bench, broker: Broker, topic: str, *members: Subscription) -> None:
    """Wait until each member gets some, and nothing is left: what has owners is handed out."""
    shares = [0] * len(members)

    async def is_shared() -> bool:
        await broker.send(_keyed(bench, topic, 8), timeout_s=bench.limit(5))
        for n, member in enumerate(members):
            got = await member.receive(max_messages=2, wait_s=0.1)
            shares[n] += len(got)
            await bench.settle(member, *got)
        return all(shares)

    await bench.wait_async(is_shared, "two members to share a topic", 15)
    while [d for member in members for d in await _until_quiet(bench, member)]:
        pass


async def _until_quiet(bench: Bench, member: Subscription) -> list[Delivery]:
    """Receive and settle until nothing comes within the quiet window."""
    quiet_s = bench.harness.timings.quiet_s * bench.harness.timings.scale
    taken: list[Delivery] = []
    while got := await member.receive(max_messages=100, wait_s=quiet_s):
        taken += got
        await bench.settle(member, *got)
    return taken


@check("CON-06", "slow_consumer_no_memory_growth")
async def buffers_bounded(bench: Bench) -> None:
    """A consumer ten times too slow buffers no more than its prefetch, however long the backlog."""
    app = await bench.app(grace_s=0.1)
    topic = app.topic(bench.topic())
    gate = _Gate()
    bench.collect(app, topic, group="g", concurrency=1, behaviour=gate)
    await bench.started(app)
    consumer = app.consumers["collector-1"]
    for _ in range(10):
        await bench.publish_many(app, topic, range(200))
        buffered = len(consumer.unsettled())
        expect(buffered <= 8, f"{buffered} deliveries are buffered for one slow handler")
    gate.open.set()


@check("CON-07", "overflow_policy")
async def overflow(bench: Bench) -> None:
    """A full window: on_full="wait" waits up to timeout_s, then BufferFull; "fail" at once."""
    loop = asyncio.get_running_loop()
    for on_full, least in (("wait", 0.2), ("fail", 0.0)):
        app = await bench.app(publish_window=4, on_full=on_full)
        topic = app.topic(bench.topic(on_full))
        await bench.started(app)
        broker: Any = app._lifecycle.engine.broker
        send, stuck = broker.send, asyncio.Event()

        async def slow(messages: Any, *, _send: Any = send, _e: Any = stuck, **options: Any) -> Any:
            await _e.wait()
            return await _send(messages, **options)

        broker.send = slow
        try:
            async with asyncio.TaskGroup() as group:
                for n in range(4):
                    group.create_task(app.publish(topic, bench.body(n)))
                await asyncio.sleep(0)
                began = loop.time()
                try:
                    await app.publish(topic, bench.body(9), timeout_s=0.2)
                except BufferFull:
                    took = loop.time() - began
                else:
                    raise CheckFailed(f"on_full={on_full!r}: a fifth publish fit a window of 4")
                finally:
                    stuck.set()
            expect(took >= least, f"on_full={on_full!r} gave up after {took:.3f} s")
            expect(took < least + bench.limit(1.0), f"on_full={on_full!r} took {took:.3f} s")
        finally:
            del broker.send


@check("CON-08", "pause_resume", needs=("pause_resume",))
async def pause_resume(bench: Bench) -> None:
    """No delivery while paused, membership kept, idempotent; resume delivers all."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=2)
    await bench.started(app)
    consumer = app.consumers["collector-1"]
    await bench.publish(app, topic, 0)
    await bench.received(collector, 1)
    await consumer.pause()
    await consumer.pause()
    expect(consumer.is_paused, "paused, and is_paused says no")
    await bench.publish(app, topic, *range(1, 20))
    await bench.quiet()
    expect(len(collector.seen) == 1, f"{len(collector.seen) - 1} deliveries while paused")
    expect((await app.health()).ready, "a pause made the application unready")
    await consumer.resume()
    await consumer.resume()
    await bench.exactly(collector, range(20))
    expect(all(s.attempt == 1 for s in collector.seen), "pausing was counted as a failure")
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "narrow")
        subscription = await bench.subscribe(broker, topic, "narrow")
        await subscription.pause()
        await broker.send([bench.message(topic)], timeout_s=5)
        await nothing_more(bench, subscription, "a paused subscription handed something out")
        await subscription.resume()
        await bench.settle(subscription, *await bench.take(subscription, 1))
