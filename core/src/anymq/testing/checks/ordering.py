"""Order: what is promised (one consumer; one key), and what breaks it and says so."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.capabilities import Support
from anymq.events import OrderGivenUp
from anymq.message import Delivery
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.probe import in_order_per_key

__all__: list[str] = []

KEYS = [f"key-{n}" for n in range(6)]
BY_KEY = ("order_by_key",)
SLOW_RETRY = RetryPolicy(max_attempts=3, first_delay_s=0.2, jitter=0)


async def _first_fails(value: Any, delivery: Delivery) -> None:
    """Fails for the value 0, once."""
    if value == 0 and delivery.attempt == 1:
        raise LookupError("on purpose")


@check("ORD-01", "single_consumer_order")
async def single_consumer(bench: Bench) -> None:
    """With one consumer and concurrency 1 the send order is the order of handling."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=1)
    await bench.started(app)
    await bench.publish(app, topic, *range(30))
    await bench.publish_many(app, topic, range(30, 130))
    await bench.received(collector, 130)
    expect(collector.values == list(range(130)), f"order: {_first_break(collector.values)}")
    async with bench.broker() as broker:
        other = bench.topic()
        await bench.declare(broker, other, "g")
        subscription = await bench.subscribe(broker, other, "g")
        messages = [bench.message(other, b"%d" % n) for n in range(50)]
        await broker.send(messages[:20], timeout_s=5)
        await broker.send(messages[20:], timeout_s=5)
        taken = await bench.take(subscription, 50)
        await bench.settle(subscription, *taken)
        expect([d.id for d in taken] == [m.id for m in messages], "one receive reordered messages")


@check("ORD-02", "per_key_order", needs=BY_KEY)
async def per_key(bench: Bench) -> None:
    """Order per key with several consumers, each handling several at once."""
    topic = bench.topic()
    apps = [await bench.app() for _ in range(3)]

    async def uneven(value: Any, delivery: Delivery) -> None:
        await asyncio.sleep(0.001 * (value % 4))

    for app in apps:
        app.topic(topic, partitions=3)
        bench.collect(app, topic, group="g", order="key", concurrency=4, name="c", behaviour=uneven)
        await bench.started(app)
    # At once, so that there is always more than the handlers can take.
    keys = [KEYS[n % len(KEYS)] for n in range(120)]
    await bench.publish_many(apps[0], topic, range(120), keys=keys)
    await bench.wait(lambda: bench.seen >= 120, "120 messages", 15)
    await bench.quiet()
    expect(bench.seen == 120, f"{bench.seen} calls for 120 messages")
    seen = sorted((s for c in bench.collectors for s in c.seen), key=lambda s: s.at)
    wrong = in_order_per_key(seen)
    expect(not wrong, f"out of order: {wrong}")


@check("ORD-03", "one_member_per_key_at_a_time", needs=BY_KEY)
async def one_member_per_key(bench: Bench) -> None:
    """Three partitions, three members: no key is in two handlers at once, wherever they run."""
    topic = bench.topic()
    running: dict[str, int] = {}
    clashes: list[str] = []

    async def watch(value: Any, delivery: Delivery) -> None:
        key = delivery.key or ""
        running[key] = running.get(key, 0) + 1
        if running[key] > 1:
            clashes.append(key)
        await asyncio.sleep(0.003)
        running[key] -= 1

    apps = [await bench.app() for _ in range(3)]
    for app in apps:
        app.topic(topic, partitions=3)
        bench.collect(app, topic, group="g", order="key", concurrency=3, name="c", behaviour=watch)
        await bench.started(app)
    async with asyncio.TaskGroup() as group:  # at once: more than one member may hold
        for n in range(90):
            group.create_task(bench.publish(apps[n % 3], topic, n, key=KEYS[n % len(KEYS)]))
    await bench.wait(lambda: bench.seen >= 90, "90 messages", 15)
    await bench.quiet()
    expect(not clashes, f"keys handled twice at once: {clashes[:5]}")
    idle = [c for c in bench.collectors if not c.seen]
    expect(not idle, f"{len(idle)} of 3 members got nothing")


@check("ORD-04", "order_kept_on_redelivery")
async def kept_on_redelivery(bench: Bench) -> None:
    """Without order by key a retry may be passed. With it a failing message holds its key; past
    max_block_s that is given up, and told."""
    app = await bench.app()
    plain = app.topic(bench.topic("plain"))
    free = bench.collect(app, plain, group="g", retry=SLOW_RETRY, behaviour=_first_fails)
    await bench.started(app)
    await bench.publish(app, plain, *range(5), key="k")
    await bench.received(free, 6)
    expect(free.values.index(1) < 5, "without order by key a retry held up what was behind it")
    if bench.capabilities.level("order_by_key") is not Support.UNSUPPORTED:
        await _key_is_held(bench)


async def _key_is_held(bench: Bench) -> None:
    app = await bench.app()
    held, given = app.topic(bench.topic("held")), app.topic(bench.topic("given"))
    options: dict[str, Any] = {"group": "g", "order": "key", "retry": SLOW_RETRY}
    holding = bench.collect(app, held, behaviour=_first_fails, concurrency=2, **options)
    giving = bench.collect(app, given, behaviour=_first_fails, max_block_s=0.05, **options)
    await bench.started(app)
    await bench.publish(app, held, *range(5), key="k")
    await bench.publish(app, held, "other", key="other")
    await bench.received(holding, 7)
    mine = [v for v in holding.values if v != "other"]
    expect(mine == [0, 0, 1, 2, 3, 4], f"a failing message was passed within its key: {mine}")
    expect(holding.values.index("other") < 6, "a failing message held up another key")
    await bench.publish(app, given, *range(3), key="k")
    await bench.received(giving, 4)
    told = any(isinstance(event, OrderGivenUp) for event in bench.events)
    expect(told, "the order of a key was given up, and nobody was told")


@check("ORD-05", "null_key_spreads")
async def null_key_spreads(bench: Bench) -> None:
    """Messages without a key: none lost, every member gets some."""
    topic = bench.topic()
    apps = [await bench.app() for _ in range(3)]

    async def slow(value: Any, delivery: Delivery) -> None:
        await asyncio.sleep(0.003)

    for app in apps:
        app.topic(topic, partitions=3)
        bench.collect(app, topic, group="g", name="c", prefetch=2, behaviour=slow)
        await bench.started(app)
    await bench.publish_many(apps[0], topic, range(60))
    await bench.wait(lambda: bench.seen >= 60, "60 messages", 15)
    await bench.quiet()
    values = sorted(value for c in bench.collectors for value in c.values)
    expect(values == list(range(60)), f"{len(values)} calls for 60 messages")
    shares = [len(c.seen) for c in bench.collectors]
    expect(min(shares) > 0, f"the members got {shares}")


@check("ORD-06", "order_with_concurrency", needs=BY_KEY)
async def with_concurrency(bench: Bench) -> None:
    """One consumer with concurrency above 1: parallel over keys, in order within each."""
    app = await bench.app()
    topic = app.topic(bench.topic(), partitions=2)

    async def uneven(value: Any, delivery: Delivery) -> None:
        await asyncio.sleep(0.002 * (3 - value % 3))

    collector = bench.collect(
        app, topic, group="g", order="key", concurrency=6, prefetch=30, behaviour=uneven
    )
    await bench.started(app)
    for n in range(90):
        await bench.publish(app, topic, n, key=KEYS[n % len(KEYS)])
    await bench.received(collector, 90, limit_s=15)
    await bench.quiet()
    bench.check_exact(collector, range(90))
    wrong = in_order_per_key(collector.seen)
    expect(not wrong, f"out of order: {wrong}")
    expect(collector.peak > 1, "different keys were not handled in parallel")


def _first_break(values: list[Any]) -> str:
    for index, value in enumerate(values):
        if value != index:
            return f"{value} at place {index}"
    return "complete"
