"""A backend that is down while one publishes, subscribes, and tries to reach it again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from anymq.app import App
from anymq.errors import BackendUnavailable, BufferFull, PublishUnknown
from anymq.outcome import Confirmed, Rejected
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.disruption import Fault, fault, unharmed

__all__: list[str] = []

TIMEOUT_S = 1.0
MARGIN_S = 0.5
"""How much later than its time a publish may end."""
ATTEMPTS_A_SECOND = 5.0
"""Of one application with one idle subscriber: a reconnect every 0.2 s on average is plenty …"""
PER_LINK = 1.0
"""… or, of one that needs many connections, every second for each."""
WATCH_S = 3.0
BUSY = 0.6
"""Share of a processor that nobody waiting for a backend needs."""


@check("REC-05", "subscribe_while_broker_down", disrupts=("kill", "restart"), limit_s=60)
async def subscribe_while_down(bench: Bench) -> None:
    """A subscription made meanwhile becomes active later, or is refused by a typed error."""
    app, late = await bench.app(), await bench.app(connect="background")
    topic = app.topic(bench.topic())
    late.topic(topic)
    first = bench.collect(app, topic, group="first")
    second = bench.collect(late, topic, group="second")
    await bench.started(app)
    resume_s = bench.harness.timings.resume_s
    async with bench.broker() as broker:
        narrow = bench.topic("narrow")
        await bench.declare(broker, narrow, "g")
        async with fault(bench, "kill", mend="restart"):
            await late.start()
            subscription = await _subscribe(bench, broker, narrow)
            expect(not (await late.health()).ready, "ready, though nothing can be reached")
        if subscription is None:
            subscription = await bench.subscribe(broker, narrow, "g")

        async def is_sent() -> bool:
            (result,) = await broker.send([message], timeout_s=bench.limit(resume_s))
            return isinstance(result, Confirmed)

        message = bench.message(narrow, b"after")
        await bench.wait_async(is_sent, "a send after the restart to be confirmed", resume_s)
        (delivery,) = await bench.take(subscription, 1, limit_s=resume_s)
        await bench.settle(subscription, delivery)
    await unharmed(bench, late, limit_s=resume_s + 5)
    await bench.publish(app, topic, *range(5), timeout_s=bench.limit(resume_s))
    for collector in (first, second):
        await bench.received(collector, 5, limit_s=resume_s)
        await bench.exactly(collector, range(5))
    await unharmed(bench, app)


async def _subscribe(bench: Bench, broker: Any, topic: str) -> Any:
    """The subscription, or None for the typed error; never another one, never without an end."""
    limit_s = bench.harness.timings.detect_s + 2
    try:
        async with asyncio.timeout(bench.limit(limit_s)):
            return await bench.subscribe(broker, topic, "g")
    except BackendUnavailable:
        return None
    except TimeoutError:
        raise CheckFailed(f"subscribing to a backend that is down took over {limit_s} s") from None


@check("REC-06", "publish_while_broker_down", disrupts=("kill", "restart"), limit_s=60)
async def publish_while_down(bench: Bench) -> None:
    """Each publish ends in its time with a typed, transient error, or waits for the backend."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=4)
    await bench.started(app)
    await bench.publish(app, topic, "before")
    refused: set[str] = set()
    async with bench.broker() as broker, asyncio.TaskGroup() as tasks:
        await bench.declare(broker, topic, "g")
        async with fault(bench, "kill", mend="restart") as down:
            await _fails_in_time(bench, app.publish(topic, bench.body("a"), timeout_s=TIMEOUT_S))
            many = app.publish_many(topic, [bench.body("b"), bench.body("c")], timeout_s=TIMEOUT_S)
            for value, result in zip("bc", await _in_time(bench, many), strict=True):
                expect(not isinstance(result, Confirmed), "confirmed by a backend that is down")
                refused |= {value} if isinstance(result, Rejected) else set()
            sending = broker.send([bench.message(topic, b"{}")], timeout_s=TIMEOUT_S)
            (result,) = await _in_time(bench, sending)
            expect(not isinstance(result, Confirmed), "a send to a backend that is down: confirmed")
            await _waits(bench, app, topic, tasks, down)
    await bench.wait(lambda: "patient" in collector.values, "what was confirmed", 10)
    await bench.quiet()
    expect(collector.counts["patient"] == 1, f"it came {collector.counts['patient']} times")
    came = refused & set(collector.values)
    expect(not came, f"rejected, which is for good, and delivered: {sorted(came)}")
    await unharmed(bench, app)


async def _waits(bench: Bench, app: App, topic: str, tasks: asyncio.TaskGroup, down: Fault) -> None:
    """A publish with time enough outlives the outage, and is stored once."""
    patient = tasks.create_task(bench.publish(app, topic, "patient", timeout_s=bench.limit(15)))
    await bench.quiet()
    expect(not patient.done(), "a publish to a backend that is down did not wait for its time")
    await down.end()
    await bench.wait(patient.done, "a publish to be confirmed after the outage", 15)
    await patient


async def _fails_in_time(bench: Bench, publishing: Awaitable[Any]) -> None:
    try:
        await _in_time(bench, publishing)
    except (PublishUnknown, BackendUnavailable, BufferFull):
        return
    raise CheckFailed("a publish to a backend that is down said that it was done")


async def _in_time(bench: Bench, work: Awaitable[Any]) -> Any:
    """The result; fails when it takes longer than the time it was given."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT_S + bench.limit(10)):
            return await work
    except TimeoutError:
        raise CheckFailed(f"a publish with timeout_s={TIMEOUT_S} did not end") from None
    finally:
        took = time.monotonic() - began
        late = took > TIMEOUT_S + bench.limit(MARGIN_S)
        expect(not late, f"a publish with timeout_s={TIMEOUT_S} took {took:.2f} s")


@check("REC-07", "reconnect_backoff_is_bounded", disrupts=("refuse", "heal"), limit_s=60)
async def backoff_is_bounded(bench: Bench) -> None:
    """Refused, it tries again without an end, but not in a hot loop; then it recovers by itself."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    await bench.publish(app, topic, "before")
    await bench.received(collector, 1)
    links = (await bench.harness.connections()).get("links", 0)
    async with fault(bench, "refuse", mend="heal"):
        await bench.quiet(1.0)
        before, cpu = await bench.harness.connections(), time.process_time()
        await bench.quiet(WATCH_S)
        cpu = time.process_time() - cpu
        after = await bench.harness.connections()
    expect(cpu < BUSY * WATCH_S, f"{cpu:.2f} s of a processor in {WATCH_S} s of waiting")
    if before:
        tries = after["accepted"] - before["accepted"]
        expect(tries >= 1, f"no attempt to reconnect in {WATCH_S} s")
        most = max(ATTEMPTS_A_SECOND, PER_LINK * links) * WATCH_S
        what = f"{tries} attempts to restore {links} connection(s) in {WATCH_S} s: no backoff"
        expect(tries <= most, what)
    resume_s = bench.harness.timings.resume_s
    await bench.publish(app, topic, "after", timeout_s=bench.limit(resume_s))
    await bench.received(collector, 2, limit_s=resume_s)
    await unharmed(bench, app)
