"""Comings and goings at the same time: none disturbs another, and none waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.app import App
from anymq.errors import ClosedError, InvalidState
from anymq.message import Delivery
from anymq.outcome import Settled
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.outage import outage

__all__: list[str] = []

AT_ONCE = 8


@check("LIF-07", "concurrent_close")
async def concurrent(bench: Bench) -> None:
    """Parallel opens and closes, of one and of many: all end, and receiving works afterwards."""
    topic = bench.topic()
    async with bench.broker() as keeper:
        await bench.declare(keeper, topic, "g")
        try:
            async with asyncio.timeout(bench.limit(20)):
                await _one_closed_often(bench, topic)
                await _many_come_and_go(bench, topic)
                await _closed_while_starting(bench, topic)
        except TimeoutError:
            raise CheckFailed("parallel opens and closes never ended") from None
        member = await bench.subscribe(keeper, topic, "g")
        sent = [bench.message(topic) for _ in range(5)]
        await keeper.send(sent, timeout_s=bench.limit(5))
        got = await bench.take(member, 5)
        expect({d.id for d in got} == {m.id for m in sent}, "not what was sent afterwards")
        await bench.settle(member, *got)


async def _one_closed_often(bench: Bench, topic: str) -> None:
    """One application, broker and subscription, each closed by several tasks at once."""
    app = await bench.app()
    app.topic(topic)
    bench.collect(app, topic, group="g", name="c")
    await bench.started(app)
    async with bench.broker() as broker:
        member = await bench.subscribe(broker, topic, "g")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(app.close(grace_s=0.1))
                tasks.create_task(member.aclose(timeout_s=bench.limit(5)))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(broker.aclose(timeout_s=bench.limit(5)))
    expect(app.state == "closed", f"after {AT_ONCE} closes the application is {app.state}")


async def _many_come_and_go(bench: Bench, topic: str) -> None:
    """Several applications start, and stop in several tasks, at the same time."""
    apps = [await bench.app() for _ in range(AT_ONCE)]
    for number, app in enumerate(apps):
        app.topic(topic)
        bench.collect(app, topic, group="g", name=f"c{number}")

    async def live(app: App) -> None:
        await app.start()
        await app.health()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(app.stop(grace_s=0.1))
        await app.close()

    async with asyncio.TaskGroup() as tasks:
        for app in apps:
            tasks.create_task(live(app))
    states = {app.state for app in apps}
    expect(states == {"closed"}, f"afterwards the applications are {states}")


async def _closed_while_starting(bench: Bench, topic: str) -> None:
    """Close ends a start that waits for its backend; nothing of it comes to life later."""
    app = await bench.app(connect_wait_s=60)
    app.topic(topic)
    endings: list[str] = []

    async def start() -> None:
        try:
            await app.start()
        except (ClosedError, InvalidState) as error:
            endings.append(type(error).__name__)

    async with outage(bench), asyncio.TaskGroup() as tasks:
        tasks.create_task(start())
        await bench.wait(lambda: app.state == "starting", "a start that waits")
        await bench.quiet(0.05)
        async with asyncio.timeout(bench.limit(8)):
            await app.close()
        await bench.wait(lambda: bool(endings), "the start to end with the close")
    expect(endings == ["ClosedError"], f"the start ended with {endings}")
    await bench.quiet()
    expect(app.state == "closed", f"a closed application became {app.state} later")


@check("LIF-16", "cancel_subscription_only_stops_that_one")
async def independent(bench: Bench) -> None:
    """Closing one subscription leaves those beside it alone: other topics, groups, members."""
    topic, elsewhere = bench.topic("t"), bench.topic("elsewhere")
    lost: list[Any] = []
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "a", "b")
        await bench.declare(broker, elsewhere, "a")
        leaver = await bench.subscribe(broker, topic, "a")
        same_topic = await bench.subscribe(broker, topic, "b", on_lost=lost.extend)
        same_group = await bench.subscribe(broker, elsewhere, "a", on_lost=lost.extend)
        private = await bench.subscribe(broker, topic, None, on_lost=lost.extend)
        await broker.send([bench.message(topic)], timeout_s=bench.limit(5))
        (before,) = await bench.take(same_topic, 1)
        await leaver.aclose(timeout_s=bench.limit(5))
        await broker.send(
            [bench.message(topic), bench.message(elsewhere)], timeout_s=bench.limit(5)
        )
        await bench.settle(same_topic, before, *await bench.take(same_topic, 1))
        await bench.settle(same_group, *await bench.take(same_group, 1))
        await bench.settle(private, *await bench.take(private, 2))
        expect(not lost, f"others lost {len(lost)} deliveries when one subscription was closed")
        successor = await bench.subscribe(broker, topic, "a")
        await bench.settle(successor, *await bench.take(successor, 2))
    app = await bench.app()
    one, two = app.topic(bench.topic("one")), app.topic(bench.topic("two"))
    first = bench.collect(app, one, group="g")
    second = bench.collect(app, two, group="g")
    await bench.started(app)
    await app.consumers["collector-1"].stop(0.1)
    await bench.publish(app, one, "unheard")
    await bench.publish(app, two, *range(10))
    await bench.exactly(second, range(10))
    expect(not first.seen, "a stopped consumer went on")
    health = await app.health()
    expect(health.subscribers["collector-2"] == "running", f"health says {health.subscribers}")
    expect(health.subscribers["collector-1"] != "running", "health calls a stopped one running")


@check("LIF-17", "add_subscription_does_not_disturb_others")
async def undisturbed(bench: Bench) -> None:
    """One more subscription: those that exist keep their deliveries, their pace and their order."""
    topic, more = bench.topic("t"), bench.topic("more")
    lost: list[Any] = []
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "g")
        await bench.declare(broker, more, "g")
        first = await bench.subscribe(broker, topic, "g", on_lost=lost.extend)
        await broker.send([bench.message(topic) for _ in range(6)], timeout_s=bench.limit(5))
        held = await bench.take(first, 6)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(first.receive(max_messages=1, wait_s=bench.limit(10)))
            added = [await bench.subscribe(broker, more, "g") for _ in range(2)]
            added.append(await bench.subscribe(broker, topic, None))
            await bench.quiet()
            expect(not waiting.done(), "a subscription was added, and a receive ended for it")
            await broker.send([bench.message(topic)], timeout_s=bench.limit(5))
        fresh = waiting.result()
        expect(len(fresh) == 1, "a receive missed its message when a subscription was added")
        expect(not lost, f"{len(lost)} deliveries were lost when a subscription was added")
        results = await bench.settle(first, *held, *fresh)
        settled = sum(isinstance(result, Settled) for result in results)
        expect(settled == 7, f"of 7 deliveries held meanwhile {settled} could be settled")
        again = await first.receive(max_messages=9, wait_s=bench.harness.timings.quiet_s)
        expect(not again, f"{len(again)} deliveries came again when a subscription was added")
    await _applications(bench)


async def _applications(bench: Bench) -> None:
    """Another application joins with other topics: no handler is cancelled, nothing comes twice."""
    app, newcomer = await bench.app(), await bench.app()
    topic, more = app.topic(bench.topic("t")), newcomer.topic(bench.topic("more"))
    cancelled: list[Any] = []
    go = asyncio.Event()

    async def work(value: Any, delivery: Delivery) -> None:
        try:
            await go.wait()
        except asyncio.CancelledError:
            cancelled.append(value)
            raise

    collector = bench.collect(app, topic, group="g", concurrency=4, behaviour=work)
    bench.collect(newcomer, more, group="g", name="newcomer")
    await bench.started(app)
    await bench.publish(app, topic, *range(4))
    await bench.wait(lambda: collector.running == 4, "four handlers")
    await bench.started(newcomer)
    await bench.publish(newcomer, more, "hello")
    await bench.publish(app, topic, *range(4, 20))
    await bench.quiet()
    go.set()
    await bench.exactly(collector, range(20))
    expect(not cancelled, f"handlers of {cancelled} were cancelled when a subscription came")
    kinds = [event.kind for event in bench.events if hasattr(event, "kind")]
    expect("lost" not in kinds, f"a connection was lost when a subscription came: {kinds}")
