"""Batches, both ways: results by entry, bounds kept, one poison never sinks its neighbours."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.app import App
from anymq.errors import BatchFailed
from anymq.message import Delivery
from anymq.outcome import ACK, Confirmed, DeadLetter, Rejected, Retry
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.probe import until_dead

__all__: list[str] = []

TWICE = RetryPolicy(max_attempts=2, first_delay_s=0.02, jitter=0)


@check("BAT-01", "batch_publish_all")
async def publish_all(bench: Bench) -> None:
    """All of a batch arrive, in order, keys and headers included."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    bodies = [bench.body(n) for n in range(40)]
    keys = [f"k{n}" for n in range(40)]
    results = await app.publish_many(topic, bodies, keys=keys, headers={"batch": "1"})
    expect(all(isinstance(r, Confirmed) for r in results), f"results: {results[:3]}")
    await bench.exactly(collector, range(40))
    expect(collector.values == list(range(40)), "the batch's order changed")
    expect([s.key for s in collector.seen] == keys, "keys changed within the batch")
    expect(all(s.headers == {"batch": "1"} for s in collector.seen), "headers changed")


@check("BAT-02", "batch_partial_failure_is_itemised")
async def itemised(bench: Bench) -> None:
    """The failed entries are told by their place; the others are stored, once."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=4)
    await bench.started(app)
    bodies: list[Any] = [bench.body(n) for n in range(10)]
    bodies[3] = bench.body(float("nan"))
    bodies[7] = {"run": bench.run_id, "v": object()}
    results = await app.publish_many(topic, bodies)
    expect(len(results) == 10, f"{len(results)} results for 10 entries")
    failed = [n for n, result in enumerate(results) if not isinstance(result, Confirmed)]
    expect(failed == [3, 7], f"entries {failed} failed, not 3 and 7")
    codes = [r.code for r in results if isinstance(r, Rejected)]
    expect(codes == ["invalid", "invalid"], f"rejected with {codes}")
    await bench.exactly(collector, [n for n in range(10) if n not in (3, 7)])


@check("BAT-03", "batch_atomic", needs=("batch_atomic",))
async def atomic(bench: Bench) -> None:
    """None is visible when one fails; all are when none does."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        subscription = await bench.subscribe(broker, topic, "g")
        bad = [bench.message(t) for t in (topic, bench.topic("nowhere"), topic)]
        results = await broker.send(bad, timeout_s=5, atomic=True)
        stored = [r for r in results if isinstance(r, Confirmed)]
        expect(len(results) == 3 and not stored, f"an atomic batch with one bad entry: {results}")
        wait_s = bench.harness.timings.quiet_s
        seen = await subscription.receive(max_messages=5, wait_s=wait_s)
        expect(not seen, f"{len(seen)} entries of a failed atomic batch are visible")
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    await bench.publish_many(app, topic, range(20), atomic=True)
    await bench.exactly(collector, range(20))


@check("BAT-04", "batch_receive_bounds")
async def receive_bounds(bench: Bench) -> None:
    """A batch handler gets 1 to batch_size, and waits at most batch_wait_s."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    sizes, values = list[int](), list[Any]()
    _batches(bench, app, topic, sizes, values, size=8, wait_s=0.2)
    await bench.started(app)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await bench.publish_many(app, topic, range(3))
    await bench.wait(lambda: len(values) >= 3, "the first three")
    took = loop.time() - began
    expect(took < bench.limit(1.0), f"a batch that was not full waited {took:.2f} s")
    await bench.publish_many(app, topic, range(3, 103))
    await bench.wait(lambda: len(values) >= 103, "103 messages")
    expect(max(sizes) <= 8, f"a batch of {max(sizes)} with batch_size=8")
    expect(max(sizes) > 1, "messages came one by one in spite of a backlog")
    expect(sorted(values) == list(range(103)), "the _batches do not hold every message once")


@check("BAT-05", "batch_split_over_limit")
async def split(bench: Bench) -> None:
    """More than the driver takes at once is split, in order; so are settlements."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=1, prefetch=500)
    await bench.started(app)
    count = bench.capabilities.max_batch * 2 + 7
    await bench.publish_many(app, topic, range(count), timeout_s=bench.limit(20))
    await bench.received(collector, count, limit_s=20)
    await bench.quiet()
    expect(collector.values == list(range(count)), "a split batch lost messages or their order")


@check("BAT-06", "empty_batch")
async def empty(bench: Bench) -> None:
    """No messages, no results, no harm, on both sides of the seam."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    await bench.started(app)
    expect(await app.publish_many(topic, []) == [], "an empty batch has results")
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "g")
        expect(list(await broker.send([], timeout_s=1)) == [], "an empty send has results")
        subscription = await bench.subscribe(broker, topic, "g")
        settled = await subscription.settle([], timeout_s=1)
        expect(list(settled) == [], "settling nothing has results")


@check("BAT-07", "batch_returns_outcomes")
async def returns_outcomes(bench: Bench) -> None:
    """One outcome each: acked, retried, dead-lettered, as the list says; a wrong length fails."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    calls: list[list[Any]] = []

    @app.subscriber(topic, group="g", batch_size=10, batch_wait_s=0.1, retry=TWICE, prefetch=20)
    async def handle(bodies: list[Any], deliveries: list[Delivery]) -> list[Any]:
        values = [body["v"] for body in bodies]
        calls.append(values)
        if values == ["short"] or "short" in values:
            return []
        fates = {"ack": ACK, "retry": Retry(0.02), "dead": DeadLetter("asked for")}
        return [ACK if d.attempt > 1 else fates[v] for v, d in zip(values, deliveries, strict=True)]

    await bench.started(app)
    await bench.publish_many(app, topic, ["ack", "retry", "dead", "ack"])
    await bench.wait(lambda: sum(map(len, calls)) >= 5, "the batch and one retry")
    flat = [value for call in calls for value in call]
    expect(flat.count("ack") == 2 and flat.count("retry") == 2, f"calls: {calls}")
    entries = await until_dead(bench, app, topic)
    reasons = [entry.message.meta.get("anymq-death-reason") for entry in entries]
    expect(reasons == ["asked for"], f"dead letters for {reasons}")
    await bench.publish(app, topic, "short")
    await until_dead(bench, app, topic, 2)


@check("BAT-08", "batch_failed_indices")
async def failed_indices(bench: Bench) -> None:
    """BatchFailed names who failed: those are retried, the rest is done."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    seen: list[tuple[Any, int]] = []

    @app.subscriber(topic, group="g", batch_size=10, batch_wait_s=0.1, retry=TWICE, prefetch=20)
    async def handle(bodies: list[Any], deliveries: list[Delivery]) -> None:
        seen.extend((b["v"], d.attempt) for b, d in zip(bodies, deliveries, strict=True))
        bad = {n: LookupError("bad") for n, b in enumerate(bodies) if b["v"] in (1, 3)}
        if bad:
            raise BatchFailed(bad)

    await bench.started(app)
    await bench.publish_many(app, topic, range(5))
    await until_dead(bench, app, topic, 2)
    await bench.quiet()
    expect(sorted(seen) == [(0, 1), (1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (4, 1)], f"{seen}")


@check("BAT-09", "batch_exception_isolates_poison")
async def isolates_poison(bench: Bench) -> None:
    """After an exception all count one attempt and come singly: only the poison ends dead."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    calls: list[list[Any]] = []

    @app.subscriber(topic, group="g", batch_size=10, batch_wait_s=0.1, retry=TWICE, prefetch=20)
    async def handle(bodies: list[Any]) -> None:
        values = [body["v"] for body in bodies]
        calls.append(values)
        if "poison" in values:
            raise LookupError("one of you is bad")

    await bench.started(app)
    await bench.publish_many(app, topic, [1, 2, "poison", 3])
    entries = await until_dead(bench, app, topic)
    await bench.quiet()
    bodies = [entry.message.body for entry in entries]
    expect(len(bodies) == 1 and b"poison" in bodies[0], f"{len(bodies)} dead letters")
    later = [call for call in calls if len(call) == 1]
    expect(len(later) >= 3, f"after the failure the members came as {calls}")
    flat = [value for call in calls for value in call]
    expect(all(flat.count(n) <= 2 for n in (1, 2, 3)), f"good members came too often: {calls}")


@check("BAT-10", "batch_undecodable_member")
async def undecodable_member(bench: Bench) -> None:
    """An undecodable member is dead-lettered before the call; the others are handled."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    sizes, values = list[int](), list[Any]()
    _batches(bench, app, topic, sizes, values, size=10, wait_s=0.1)
    await app.start(consume=False)
    async with bench.broker() as broker:
        await broker.send([bench.message(topic, b"\xff not json")], timeout_s=5)
    await bench.publish_many(app, topic, range(3))
    await app.stop()
    await bench.started(app)
    await bench.wait(lambda: len(values) >= 3, "the decodable members")
    entries = await until_dead(bench, app, topic)
    expect(entries[0].message.body == b"\xff not json", "the raw bytes were changed")
    await bench.quiet()
    expect(sorted(values) == [0, 1, 2], f"handled: {values}")


def _batches(
    bench: Bench, app: App, topic: str, sizes: list[int], values: list[Any], **options: Any
) -> None:
    """Subscribe a batch handler that notes its _batches' sizes and values."""

    @app.subscriber(
        topic,
        group="g",
        batch_size=options["size"],
        batch_wait_s=options["wait_s"],
        retry=TWICE,
    )
    async def handle(bodies: list[Any]) -> None:
        sizes.append(len(bodies))
        values.extend(body["v"] for body in bodies if body.get("run") == bench.run_id)
