"""Restarts of the backend: under load, and with everything lost."""

from __future__ import annotations

from typing import Any

from anymq.app import App
from anymq.errors import AnyMQError
from anymq.outcome import Confirmed
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.disruption import fault, kinds, unharmed, until_heard
from anymq.testing.load import under_load

__all__: list[str] = []

HOLDS = 8


@check(
    "REC-01",
    "broker_restart_under_load",
    needs=("persistent",),
    disrupts=("kill", "restart"),
    limit_s=120,
)
async def restarts_under_load(bench: Bench) -> None:
    """Two groups read, two publishers repeat until confirmed, the backend restarts twice."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collectors = [
        bench.collect(app, topic, group=group, concurrency=4, prefetch=HOLDS)
        for group in ("one", "two")
    ]
    await bench.started(app)
    async with under_load(bench, app, topic) as load:
        await load.progress()
        await bench.harness.disrupt("restart")
        await load.progress()
        async with fault(bench, "kill", mend="restart"):
            await bench.quiet()
        await load.progress()
    for collector in collectors:
        await load.account(collector, faults=2, holds=HOLDS)
    await unharmed(bench, app)
    told = kinds(bench)
    expect("lost" in told and "recovered" in told, f"of two restarts the backend told only {told}")


@check("REC-03", "topology_is_recreated", disrupts=("wipe",), limit_s=60)
async def topology_again(bench: Bench) -> None:
    """The backend lost all it had: topics, groups and consumers are there again, and it is told."""
    app = await bench.app()
    topic, silent = app.topic(bench.topic()), app.topic(bench.topic("silent"))
    collectors = [
        bench.collect(app, topic, group="one"),
        bench.collect(app, topic, group="two"),
        bench.collect(app, topic),
    ]
    await bench.started(app)
    await bench.publish(app, topic, "before")
    for collector in collectors:
        await bench.received(collector, 1)
    async with bench.broker() as broker:
        narrow = bench.topic("narrow")
        await bench.declare(broker, narrow, "g")
        subscription = await bench.subscribe(broker, narrow, "g")
        at = len(bench.events)
        await bench.harness.disrupt("wipe")
        await until_heard(bench, app, topic, *collectors)
        await _narrow_again(bench, broker, subscription, narrow)
    told = {event.kind for event in bench.events[at:] if hasattr(event, "kind")}
    expect(told & {"lost", "degraded"}, "all data were lost, and nobody was told")
    await _is_declared(bench, app, silent)
    await unharmed(bench, app)


async def _narrow_again(bench: Bench, broker: Any, subscription: Any, topic: str) -> None:
    """A subscription of the plugin's own receives again what is sent by its Broker."""
    sent: list[Any] = []

    async def is_back() -> bool:
        sent[:] = await broker.send([bench.message(topic, b"again")], timeout_s=bench.limit(2))
        got = await subscription.receive(max_messages=10, wait_s=0.05)
        if got:
            await bench.settle(subscription, *got)
        return bool(got)

    await bench.wait_async(
        is_back, "a narrow subscription to receive again", bench.harness.timings.resume_s
    )
    expect(isinstance(sent[0], Confirmed), f"received, though its send said {sent[0]}")


async def _is_declared(bench: Bench, app: App, topic: str) -> None:
    """A topic that the application declared and nobody subscribes to may be published to."""
    errors: list[str] = []

    async def is_published() -> bool:
        try:
            await bench.publish(app, topic, "x", timeout_s=bench.limit(2))
        except AnyMQError as error:
            errors.append(f"{error.code}: {error}")
            return False
        return True

    try:
        await bench.wait_async(is_published, "", bench.harness.timings.resume_s)
    except CheckFailed:
        what = f"a declared topic that nobody subscribes to is not declared again: {errors[-1]}"
        raise CheckFailed(what) from None
