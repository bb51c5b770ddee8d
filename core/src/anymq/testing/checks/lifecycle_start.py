"""Starting: connected and ready, or a typed error, or later; never something in between."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.app import App
from anymq.errors import AnyMQError, BackendUnavailable, InvalidState
from anymq.outcome import Settled
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.outage import outage

__all__: list[str] = []

ANSWER_S = 2.5
"""A health check answers within this many seconds, whatever the backend does."""


@check("LIF-01", "connect_and_ping")
async def connect(bench: Bench) -> None:
    """A start connects, health is up, and the plugin itself answers from a real exchange."""
    app = await bench.app()
    expect(app.state == "new", f"an application that was only made is {app.state}")
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    expect(app.state == "running", f"after its start the application is {app.state}")
    health = await app.health()
    expect(health.live and health.ready and health.status == "up", f"after the start: {health}")
    kinds = [event.kind for event in bench.events if hasattr(event, "kind")]
    expect("connected" in kinds, f"the start told {kinds}, not that it is connected")
    await bench.publish(app, topic, 1)
    await bench.received(collector, 1)
    try:
        await app.start()
    except InvalidState:
        pass
    else:
        raise CheckFailed("a running application was started again")
    async with bench.broker() as broker, asyncio.timeout(bench.limit(ANSWER_S)):
        state = await broker.health()
        expect(state.status == "up", f"an open broker's health: {state}")


@check("LIF-02", "start_fails_fast_or_waits_as_configured")
async def waits_as_configured(bench: Bench) -> None:
    """Down at start: a typed error after the configured time, or connected later; not half."""
    waited = bench.limit(1.0)
    app = await bench.app(connect_wait_s=waited)
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    late = await bench.app(connect_wait_s=bench.limit(8.0))
    late.topic(topic)
    behind = await bench.app(connect="background")
    behind.topic(topic)
    other = bench.collect(behind, topic, group="other")
    async with asyncio.TaskGroup() as tasks:
        async with outage(bench) as down:
            await _fails_after(bench, app, waited)
            await _starts_behind(bench, behind, topic)
            starting = tasks.create_task(late.start())
            await bench.wait(lambda: late.state == "starting", "a start that waits")
            await bench.quiet()
            expect(not starting.done(), "a start did not wait for the backend")
            await down.end()
        await bench.wait(lambda: late.state == "running", "the start to succeed", 15)
    await _ready_in_the_end(bench, behind)
    await bench.started(app)
    await bench.publish(behind, topic, "after")
    await bench.received(collector, 1, limit_s=10)
    await bench.received(other, 1, limit_s=10)


async def _fails_after(bench: Bench, app: App, waited: float) -> None:
    """The start gives up when its time is over, and leaves nothing half-started."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(waited + bench.limit(8)):
            await app.start()
    except BackendUnavailable:
        took = loop.time() - began
    except TimeoutError:
        raise CheckFailed(f"a start with connect_wait_s={waited} did not end") from None
    else:
        raise CheckFailed("a start succeeded while the backend was down")
    expect(took >= waited * 0.95, f"gave up after {took:.2f} s, told to wait {waited:.2f} s")
    expect(app.state == "stopped", f"after a failed start the application is {app.state}")
    health = await app.health()
    expect(not health.ready, "ready after a failed start")
    await _unpublishable(app, "after a failed start")


async def _starts_behind(bench: Bench, app: App, topic: str) -> None:
    """A start in the background returns at once, and is not ready."""
    async with asyncio.timeout(bench.limit(1.0)):
        await app.start()
    health = await app.health()
    expect(health.live and not health.ready, f"not connected yet, health is {health}")
    await _unpublishable(app, "before it was connected")


async def _unpublishable(app: App, when: str) -> None:
    try:
        await app.publish("kit-nowhere", {})
    except (BackendUnavailable, InvalidState):
        return
    except AnyMQError as error:
        raise CheckFailed(f"publishing {when} raised {type(error).__name__}: {error}") from None
    raise CheckFailed(f"publishing {when} said that it was done")


async def _ready_in_the_end(bench: Bench, app: App) -> None:
    async def ready() -> bool:
        return (await app.health()).ready

    await bench.wait_async(ready, "a start in the background to become ready", 15)


@check("LIF-14", "stop_then_start_receives")
async def start_again(bench: Bench) -> None:
    """Stopped and started again, twice, it receives: what came meanwhile, and what comes now."""
    app, other = await bench.app(), await bench.app()
    topic = app.topic(bench.topic())
    other.topic(topic)
    collector = bench.collect(app, topic, group="g", concurrency=2)
    private = bench.collect(app, topic, name="private")
    await bench.started(other)
    await bench.started(app)
    expected: list[Any] = []
    heard: list[Any] = []
    for turn in range(3):
        await bench.publish(app, topic, f"now{turn}")
        expected.append(f"now{turn}")
        heard.append(f"now{turn}")
        await bench.received(collector, len(expected))
        await bench.received(private, len(heard))
        await app.stop()
        expect(app.state == "stopped", f"after a stop the application is {app.state}")
        await bench.publish(other, topic, f"away{turn}")
        expected.append(f"away{turn}")
        await bench.started(app)
        await bench.received(collector, len(expected))
    await bench.exactly(collector, expected)
    bench.check_exact(private, heard)
    async with bench.broker() as broker:
        name = bench.topic()
        await bench.declare(broker, name, "g")
        for n in range(3):
            member = await bench.subscribe(broker, name, "g")
            await broker.send([bench.message(name, b"%d" % n)], timeout_s=bench.limit(5))
            (delivery,) = await bench.take(member, 1)
            expect(delivery.body == b"%d" % n, "a new member got what was settled before")
            result = (await bench.settle(member, delivery))[0]
            expect(isinstance(result, Settled), f"a new member's ack answered {result}")
            await member.aclose(timeout_s=bench.limit(5))
