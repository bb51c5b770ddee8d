"""Delivery, the plain way: what was published arrives, whole, once, and nowhere else."""

from __future__ import annotations

from anymq.testing.bench import Bench
from anymq.testing.check import check, expect

__all__: list[str] = []


@check("DEL-01", "publish_subscribe_round_trip")
async def round_trip(bench: Bench) -> None:
    """N messages are all received, payload equal."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=4)
    await bench.started(app)
    values = [{"n": n, "text": "Zeitung №" + "x" * n} for n in range(50)]
    await bench.publish_many(app, topic, values)
    await bench.received(collector, len(values))
    key = str
    expect(sorted(collector.values, key=key) == sorted(values, key=key), "payloads differ")


@check("DEL-02", "no_extra_messages")
async def no_extras(bench: Bench) -> None:
    """Each exactly once on a healthy backend, with a quiet window afterwards."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=8)
    await bench.started(app)
    await bench.publish_many(app, topic, range(200))
    await bench.publish(app, topic, *range(200, 250))
    await bench.exactly(collector, range(250))


@check("DEL-04", "topic_isolation")
async def topic_isolation(bench: Bench) -> None:
    """All messages of two topics arrive, and none crosses."""
    app = await bench.app()
    first, second = app.topic(bench.topic("a")), app.topic(bench.topic("b"))
    of_first = bench.collect(app, first, group="g")
    of_second = bench.collect(app, second, group="g")
    await bench.started(app)
    await bench.publish_many(app, first, [f"a{n}" for n in range(20)])
    await bench.publish_many(app, second, [f"b{n}" for n in range(20)])
    await bench.exactly(of_first, [f"a{n}" for n in range(20)])
    await bench.exactly(of_second, [f"b{n}" for n in range(20)])
