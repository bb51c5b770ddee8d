"""Time to live, delays and priorities."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.message import Delivery
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect

__all__: list[str] = []


@check("TIM-01", "ttl_expired_not_delivered", needs=("ttl",))
async def expired(bench: Bench) -> None:
    """What expired while it waited is not received; what was sent with it is."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await app.start(consume=False)
    await bench.publish(app, topic, "short", ttl_s=0.1)
    await bench.publish(app, topic, "long", ttl_s=600)
    await bench.publish(app, topic, "none")
    await bench.quiet(0.3)
    await app.stop()
    await bench.started(app)
    await bench.exactly(collector, ["long", "none"])


@check("TIM-02", "ttl_not_expired_delivered", needs=("ttl",))
async def not_expired(bench: Bench) -> None:
    """Received before its time is up, and also just before."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    await bench.publish(app, topic, "now", ttl_s=0.5 * bench.harness.timings.scale)
    await bench.received(collector, 1)
    await app.consumers["collector-1"].pause()
    await bench.publish(app, topic, "almost", ttl_s=2.0 * bench.harness.timings.scale)
    await bench.quiet(0.5)
    await app.consumers["collector-1"].resume()
    await bench.exactly(collector, ["now", "almost"])


@check("TIM-03", "delayed_not_early", needs=("delayed_delivery",))
async def not_early(bench: Bench) -> None:
    """Not before the delay, little after it; it survives the restart of its consumer."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=4)
    other = bench.collect(app, topic, group="other")
    await bench.started(app)
    loop = asyncio.get_running_loop()
    began = loop.time()
    delays = {0.3: "a", 0.6: "b", 1.2: "c"}
    for delay_s, value in delays.items():
        await bench.publish(app, topic, value, delay_s=delay_s)
    await bench.publish(app, topic, "at once")
    await app.stop()
    await bench.started(app)
    await bench.received(collector, 4, limit_s=15)
    await bench.received(other, 4, limit_s=15)
    await bench.quiet()
    bench.check_exact(collector, ["at once", "a", "b", "c"])
    late = (bench.harness.timings.late_s + 1.0) * bench.harness.timings.scale
    for delay_s, value in delays.items():
        took = next(s.at for s in collector.seen if s.value == value) - began
        expect(took >= delay_s, f"{value} came after {took:.3f} s, before its {delay_s} s")
        expect(took <= delay_s * 1.01 + late, f"{value} (delay {delay_s} s) came after {took:.3f}")


@check("TIM-04", "delayed_in_the_past_is_immediate")
async def past_is_now(bench: Bench) -> None:
    """A delay of nothing, or less, is delivered now."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    await bench.publish(app, topic, "zero", delay_s=0)
    await bench.publish(app, topic, "past", delay_s=-30)
    await bench.received(collector, 2, limit_s=1)


@check("TIM-05", "delayed_survives_restart", needs=("persistent", "delayed_delivery"))
async def survives_restart(bench: Bench) -> None:
    """The backend and its consumer restart during the delay: delivered all the same."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    await bench.publish(app, topic, "late", delay_s=2)
    await app.stop(grace_s=0)
    await bench.harness.disrupt("restart")
    await bench.started(app)
    await bench.received(collector, 1, limit_s=20)
    await bench.quiet()
    bench.check_exact(collector, ["late"])


@check("TIM-06", "priority_order", needs=("priority",))
async def priority_order(bench: Bench) -> None:
    """With a backlog higher comes first, in order within a level, and lower is not starved."""
    app = await bench.app()
    topic = app.topic(bench.topic(), priorities=True)
    go = asyncio.Event()

    async def wait(value: Any, delivery: Delivery) -> None:
        await go.wait()

    collector = bench.collect(app, topic, group="g", concurrency=1, prefetch=1, behaviour=wait)
    await app.start(consume=False)
    for n in range(30):
        for level in ("low", "normal", "high"):
            await bench.publish(app, topic, f"{level}{n}", priority=level)
    await app.stop()
    go.set()
    await bench.started(app)
    await bench.received(collector, 90, limit_s=15)
    await bench.quiet()
    expect(len(collector.seen) == 90, f"{len(collector.seen)} calls for 90 messages")
    place = {value: index for index, value in enumerate(collector.values)}
    for level in ("low", "normal", "high"):
        places = [place[f"{level}{n}"] for n in range(30)]
        expect(places == sorted(places), f"messages of priority {level} were reordered")
    mean = {lv: sum(place[f"{lv}{n}"] for n in range(30)) / 30 for lv in ("low", "normal", "high")}
    expect(mean["high"] < mean["normal"] < mean["low"], f"mean places: {mean}")
    first = [value.rstrip("0123456789") for value in collector.values[:30]]
    expect(min(place[f"low{n}"] for n in range(30)) < 60, "lower priorities were starved")
    expect(first.count("high") >= 20, f"of the first 30 only {first.count('high')} were high")
