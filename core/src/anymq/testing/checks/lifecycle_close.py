"""Closing: for good, as often as one likes, and always to an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from anymq.app import App
from anymq.errors import ClosedError, InvalidState
from anymq.message import Delivery
from anymq.outcome import ACK, Settled, Settlement
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.topology import Source, Topology, TopologyMode

__all__ = ["closed", "closes"]

CLOSE_S = 8.0
"""Most that closing may take beyond the grace time: cancelled handlers, then the connection."""


async def closed(call: Callable[[], Awaitable[Any]], what: str) -> None:
    """Fail unless the call raises ClosedError, at once."""
    try:
        async with asyncio.timeout(5):
            await call()
    except ClosedError:
        return
    except TimeoutError:
        raise CheckFailed(f"{what} after close neither returned nor raised") from None
    except Exception as error:  # noqa: BLE001 - any other error is the finding
        raise CheckFailed(f"{what} after close raised {type(error).__name__}: {error}") from None
    raise CheckFailed(f"{what} after close did not raise ClosedError")


async def closes(bench: Bench, app: App, *, grace_s: float) -> float:
    """Close within the limit; how long it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(grace_s + bench.limit(CLOSE_S)):
            await app.close(grace_s=grace_s)
    except TimeoutError:
        raise CheckFailed(f"close(grace_s={grace_s}) did not end") from None
    expect(app.state == "closed", f"after close the application is {app.state}")
    return loop.time() - began


@check("LIF-04", "close_is_idempotent")
async def idempotent(bench: Bench) -> None:
    """A second close does nothing, on every level, in every state; it is final."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    bench.collect(app, topic, group="g")
    await bench.started(app)
    for _ in range(3):
        await closes(bench, app, grace_s=0.1)
    unused = await bench.app()
    for _ in range(2):
        await closes(bench, unused, grace_s=0.1)
    for dead in (app, unused):
        await closed(dead.start, "start()")
        await closed(dead.stop, "stop()")
    stopped = await bench.app()
    await bench.started(stopped)
    await stopped.stop()
    await closes(bench, stopped, grace_s=0.1)
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        for _ in range(2):
            await member.stop()
        for _ in range(3):
            await member.aclose(timeout_s=bench.limit(5))
        await member.stop()
        for _ in range(2):
            await broker.aclose(timeout_s=bench.limit(5))


@check("LIF-05", "close_while_waiting_for_ack")
async def never_settled(bench: Bench) -> None:
    """Handlers that never return or settle do not keep close; their messages come again."""
    app = await bench.app()
    topics = {name: app.topic(bench.topic(name)) for name in ("coroutine", "thread", "manual")}
    let_go = threading.Event()

    async def for_ever(value: Any, delivery: Delivery) -> None:
        if delivery.topic != topics["manual"]:
            await asyncio.Event().wait()

    coroutine = bench.collect(app, topics["coroutine"], group="g", behaviour=for_ever)
    manual = bench.collect(app, topics["manual"], group="g", ack="manual", behaviour=for_ever)
    in_thread = threading.Event()

    @app.subscriber(topics["thread"], group="g", name="in-a-thread")
    def blocked(body: Any) -> None:
        in_thread.set()
        let_go.wait(bench.limit(30))

    await bench.started(app)
    for topic in topics.values():
        await bench.publish(app, topic, "x")
    await bench.wait(lambda: bool(coroutine.seen and manual.seen and in_thread.is_set()), "three")
    try:
        await closes(bench, app, grace_s=0.2)
    finally:
        let_go.set()
    other = await bench.app()
    again = [bench.collect(other, other.topic(topic), group="g") for topic in topics.values()]
    await bench.started(other)
    for collector in again:
        await bench.received(collector, 1, limit_s=10)
        expect(collector.seen[0].attempt == 1, "a message was charged for the close")
    async with bench.broker() as broker, bench.broker() as second:
        name = bench.topic()
        await bench.declare(broker, name, "g")
        members = [await bench.subscribe(broker, name, "g", prefetch=5) for _ in range(2)]
        await broker.send([bench.message(name) for _ in range(5)], timeout_s=bench.limit(5))
        held = await bench.take(members[0], 5)
        async with asyncio.timeout(bench.limit(CLOSE_S)):
            await members[0].aclose(timeout_s=bench.limit(5))
        moved = await bench.take(members[1], 5)
        expect({d.id for d in moved} == {d.id for d in held}, "unsettled deliveries were lost")
        async with asyncio.timeout(bench.limit(CLOSE_S)):
            await broker.aclose(timeout_s=bench.limit(5))
        successor = await bench.subscribe(second, name, "g")
        got = await bench.take(successor, 5)
        expect({d.id for d in got} == {d.id for d in held}, "unsettled deliveries were lost")
        await bench.settle(successor, *got)


@check("LIF-06", "close_while_consumer_not_reading")
async def not_reading(bench: Bench) -> None:
    """Close ends though nobody reads: unread, waiting and paused subscriptions alike."""
    topic = bench.topic()
    async with bench.broker() as broker, bench.broker() as second:
        await bench.declare(broker, topic, "g", "resting")
        unread = await bench.subscribe(broker, topic, "g", prefetch=10)
        empty = bench.topic("empty")
        await bench.declare(broker, empty, "g")
        waiting = await bench.subscribe(broker, empty, "g")
        paused = await bench.subscribe(broker, topic, "resting")
        await paused.pause()
        await broker.send([bench.message(topic) for _ in range(60)], timeout_s=bench.limit(5))
        await bench.take(unread, 1)
        async with asyncio.TaskGroup() as tasks:
            ends = [tasks.create_task(_ends(member)) for member in (waiting, paused)]
            await bench.quiet(0.05)
            async with asyncio.timeout(bench.limit(CLOSE_S)):
                await broker.aclose(timeout_s=bench.limit(5))
            await bench.wait(lambda: all(e.done() for e in ends), "receives to be woken")
        other = await bench.subscribe(second, topic, "g")
        got = await bench.take(other, 60)
        expect(len({d.id for d in got}) == 60, "unread messages were lost, or came twice")
        await bench.settle(other, *got)
    app = await bench.app()
    behind = app.topic(bench.topic("behind"))

    async def for_ever(value: Any, delivery: Delivery) -> None:
        await asyncio.Event().wait()

    collector = bench.collect(app, behind, group="g", prefetch=30, behaviour=for_ever)
    resting = bench.collect(app, behind, group="resting")
    await bench.started(app)
    await app.consumers["collector-2"].pause()
    await bench.publish_many(app, behind, range(50))
    await bench.received(collector, 1)
    await closes(bench, app, grace_s=0.1)
    expect(not resting.seen, "a paused subscriber was called while closing")


async def _ends(member: Any) -> None:
    """A receive that only closing can end: empty or ClosedError."""
    try:
        got = await member.receive(max_messages=1, wait_s=60)
    except ClosedError:
        return
    expect(not got, "a receive returned something although there was nothing")


@check("LIF-08", "publish_after_close_is_typed_error")
async def publish_after_close(bench: Bench) -> None:
    """Everything that sends raises ClosedError after close; InvalidState while only stopped."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    await bench.started(app)
    await app.stop()
    for call in (lambda: app.publish(topic, {}), lambda: app.publish_many(topic, [{}])):
        try:
            await call()
        except InvalidState:
            continue
        raise CheckFailed("publishing on a stopped application did not raise InvalidState")
    await bench.started(app)
    await app.close()
    await closed(lambda: app.publish(topic, {}), "publish")
    await closed(lambda: app.publish_many(topic, [{}, {}]), "publish_many")
    await closed(lambda: app.request(topic, {}, timeout_s=1), "request")
    async with bench.broker() as broker:
        await bench.declare(broker, topic)
        await broker.aclose(timeout_s=bench.limit(5))
        await closed(lambda: broker.send([bench.message(topic)], timeout_s=1), "send")
        empty, mode = Topology(), TopologyMode.MANAGE
        await closed(lambda: broker.declare(empty, mode=mode, timeout_s=1), "declare")


@check("LIF-09", "receive_after_close_is_typed_error")
async def receive_after_close(bench: Bench) -> None:
    """receive: empty after stop, ClosedError after close; stop wakes it; subscribe never hangs."""
    topic = bench.topic()
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "g")
        stopped = await bench.subscribe(broker, topic, "g")
        await broker.send([bench.message(topic)], timeout_s=bench.limit(5))
        (held,) = await bench.take(stopped, 1)
        async with asyncio.TaskGroup() as tasks:
            woken = tasks.create_task(stopped.receive(max_messages=5, wait_s=60))
            await bench.quiet(0.05)
            await stopped.stop()
            await bench.wait(woken.done, "stop to wake a receive")
        expect(not woken.result(), "a stopped subscription handed something out")
        await broker.send([bench.message(topic)], timeout_s=bench.limit(5))
        async with asyncio.timeout(bench.limit(2)):
            got = await stopped.receive(max_messages=5, wait_s=60)
        expect(not got, "a stopped subscription handed out a new message")
        results = await stopped.settle([Settlement(held, ACK)], timeout_s=bench.limit(5))
        expect(isinstance(results[0], Settled), f"settling after stop answered {results[0]}")
        await stopped.aclose(timeout_s=bench.limit(5))
        await closed(lambda: stopped.receive(max_messages=1, wait_s=1), "receive")
        other = await bench.subscribe(broker, topic, "g")
        got = await bench.take(other, 1)
        expect(got[0].id != held.id, "a message settled after stop came again")
        await bench.settle(other, *got)
        await broker.aclose(timeout_s=bench.limit(5))
        await closed(lambda: other.receive(max_messages=1, wait_s=1), "receive")
        source = Source((topic,), "g")
        for _ in range(2):
            await closed(
                lambda: broker.subscribe(source, prefetch=1, on_lost=lambda _: None), "subscribe"
            )


@check("LIF-10", "publisher_close_flushes")
async def close_flushes(bench: Bench) -> None:
    """What publish took before close is delivered: many at once, and few one by one."""
    other = await bench.app()
    topic = other.topic(bench.topic())
    collector = bench.collect(other, topic, group="g", concurrency=8)
    await bench.started(other)
    refused: list[int] = []

    async def one(app: App, value: int) -> None:
        try:
            await app.publish(topic, bench.body(value))
        except (ClosedError, InvalidState):
            refused.append(value)

    many, few = await bench.app(), await bench.app()
    for app in (many, few):
        app.topic(topic)
        await bench.started(app)
    async with asyncio.TaskGroup() as tasks:
        for value in range(300):
            tasks.create_task(one(many, value))
        await asyncio.sleep(0)
        await many.close(grace_s=1)
    for value in range(300, 307):
        await one(few, value)
    await few.close(grace_s=1)
    bench.sent += 307
    expect(not refused, f"{len(refused)} publishes begun before close were refused")
    await bench.exactly(collector, range(307))
