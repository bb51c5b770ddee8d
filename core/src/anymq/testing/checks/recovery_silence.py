"""What no error tells: a connection that is only half there, and a queue taken away."""

from __future__ import annotations

import asyncio

from anymq.app import App
from anymq.errors import AnyMQError, BackendUnavailable, PublishUnknown
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.collector import Collector
from anymq.testing.disruption import fault, received_or_told, unharmed

__all__: list[str] = []

PATIENCE = 1.5
"""Times ``detect_s``: what is a budget in operation is a limit here only with some slack."""


@check("REC-09", "server_closes_channel", disrupts=("delete",), limit_s=60)
async def server_closes(bench: Bench) -> None:
    """Its queue is deleted under a consumer: it goes on, or tells that it ended; others go on."""
    app = await bench.app()
    topic, other = app.topic(bench.topic()), app.topic(bench.topic("other"))
    collector = bench.collect(app, topic, group="g")
    beside = bench.collect(app, other, group="g")
    await bench.started(app)
    await bench.publish(app, topic, "before")
    await bench.received(collector, 1)
    await bench.harness.delete(topic, "g")
    recovered = await received_or_told(bench, app, topic, collector)
    await bench.publish(app, other, *range(5))
    await bench.exactly(beside, range(5))
    if recovered:
        await unharmed(bench, app)
    await _narrow(bench)


async def _narrow(bench: Bench) -> None:
    """The plugin's own subscription receives again, or raises what it is; it does not just wait."""
    async with bench.broker() as broker:
        topic = bench.topic("narrow")
        await bench.declare(broker, topic, "g")
        subscription = await bench.subscribe(broker, topic, "g")
        await bench.harness.delete(topic, "g")

        async def goes_on() -> bool:
            await broker.send([bench.message(topic)], timeout_s=bench.limit(2))
            try:
                return bool(await subscription.receive(max_messages=9, wait_s=0.1))
            except AnyMQError as error:
                return error.error_class != "transient"

        what = "a subscription without its queue to receive again, or to say why not"
        await bench.wait_async(goes_on, what, bench.harness.timings.resume_s)


@check("REC-10", "half_open_connection", disrupts=("half-open", "heal"), limit_s=120)
async def half_open(bench: Bench) -> None:
    """Packets vanish, no RST comes: noticed in time, by new connections or by health."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=2)
    await bench.started(app)
    await bench.publish(app, topic, "before")
    await bench.received(collector, 1)
    timings = bench.harness.timings
    noticed_s = PATIENCE * timings.detect_s
    async with fault(bench, "half-open", mend="heal"), asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(_publish(bench, app, topic, noticed_s))
        await _publish_anew(bench, topic)
        await _is_noticed(bench, app, collector, noticed_s)
        await publishing
    resume_s = timings.resume_s
    await bench.publish(app, topic, "after", timeout_s=bench.limit(resume_s))
    await bench.wait(lambda: "after" in collector.values, "a message after it", resume_s)
    await unharmed(bench, app)


async def _publish(bench: Bench, app: App, topic: str, limit_s: float) -> None:
    """Publish over the connection that is silent: it ends in its time, one way or the other."""
    try:
        async with asyncio.timeout(bench.limit(limit_s + 1)):
            await bench.publish(app, topic, "silent", timeout_s=bench.limit(limit_s))
    except (PublishUnknown, BackendUnavailable):
        return
    except TimeoutError:
        raise CheckFailed("a publish over a half-open connection did not end") from None


async def _publish_anew(bench: Bench, topic: str) -> None:
    """Publish over a new connection, where one can be had."""
    fresh = await bench.app(connect_wait_s=bench.limit(1))
    fresh.topic(topic)
    try:
        await bench.started(fresh)
        await bench.publish(fresh, topic, "during", timeout_s=bench.limit(2))
    except (PublishUnknown, BackendUnavailable):
        pass  # nobody gets through: then health has to say so


async def _is_noticed(bench: Bench, app: App, collector: Collector, limit_s: float) -> None:
    """Within the limit the consumer receives by a new connection; or health says it cannot."""
    seen: list[bool] = []

    async def has_come() -> bool:
        seen.append((await app.health()).ready)
        return "during" in collector.values

    try:
        await bench.wait_async(has_come, "", limit_s)
    except CheckFailed:
        expect(
            not seen[-1],
            f"{bench.limit(limit_s):.3g} s after its connection fell silent a subscriber receives"
            " nothing, and health says that it is ready",
        )
