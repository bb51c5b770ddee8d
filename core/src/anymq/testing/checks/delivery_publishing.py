"""Publishing: what success means, what is refused, and that nobody is in anybody's way."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.errors import PublishRejected, TopologyError
from anymq.message import Delivery
from anymq.outcome import Confirmed, Rejected, Release
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.receiving import receive_in_time

__all__: list[str] = []


@check("DEL-03", "message_id_is_stable_and_unique")
async def stable_ids(bench: Bench) -> None:
    """Ids are not empty, differ between messages, and stay over redelivery and republishing."""
    app = await bench.app()
    topic = app.topic(bench.topic())

    async def release_once(value: Any, delivery: Delivery) -> Any:
        return Release() if collector.counts[value] == 1 else None

    collector = bench.collect(app, topic, group="g", behaviour=release_once)
    await bench.started(app)
    ids = await bench.publish(app, topic, *range(10))
    await bench.publish(app, topic, 10, message_id="chosen-by-the-user")
    await bench.received(collector, 22)
    expect(all(ids) and len(set(ids)) == 10, "ids are empty or not unique")
    for value, wanted in [*enumerate(ids), (10, "chosen-by-the-user")]:
        seen = {s.id for s in collector.seen if s.value == value}
        expect(seen == {wanted}, f"{value} was published as {wanted} and seen as {seen}")


@check("DEL-05", "many_topics_concurrently")
async def many_topics(bench: Bench) -> None:
    """20 topics of 100 messages at the same time."""
    app = await bench.app()
    topics = [app.topic(bench.topic(f"n{n}")) for n in range(20)]
    collectors = [bench.collect(app, topic, group="g", concurrency=4) for topic in topics]
    await bench.started(app)
    async with asyncio.TaskGroup() as group:
        for topic in topics:
            group.create_task(bench.publish_many(app, topic, range(100)))
    for collector in collectors:
        await bench.received(collector, 100, limit_s=15)
    await bench.quiet()
    for collector in collectors:
        bench.check_exact(collector, range(100))


@check("DEL-06", "one_input_many_topics")
async def one_input_many_topics(bench: Bench) -> None:
    """One subscription reads two destinations, and knows which is which."""
    app = await bench.app()
    first, second = app.topic(bench.topic("a")), app.topic(bench.topic("b"))
    collector = bench.collect(app, first, second, group="g", concurrency=2)
    await bench.started(app)
    await bench.publish(app, first, *[f"a{n}" for n in range(10)])
    await bench.publish(app, second, *[f"b{n}" for n in range(10)])
    await bench.exactly(collector, [f"{t}{n}" for t in "ab" for n in range(10)])
    wrong = [s for s in collector.seen if s.topic != (first if s.value[0] == "a" else second)]
    expect(not wrong, f"{len(wrong)} deliveries name the wrong topic")


@check("DEL-07", "empty_destination_idle")
async def empty_is_idle(bench: Bench) -> None:
    """Nothing there: no call of the handler, an empty receive within its time, no busy loop."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    await bench.quiet()
    expect(not collector.seen, "a handler was called for an empty topic")
    loop = asyncio.get_running_loop()
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "narrow")
        subscription = await bench.subscribe(broker, topic, "narrow")
        for wait_s in (0.0, 0.2):
            began = loop.time()
            got = await _receive(bench, subscription, wait_s)
            took = loop.time() - began
            expect(not got, f"receive on an empty topic gave {len(got)}")
            expect(took >= wait_s * 0.9, f"receive(wait_s={wait_s}) came back after {took:.3f} s")
            expect(took < wait_s + bench.limit(1.0), f"receive(wait_s={wait_s}) took {took:.3f} s")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_receive(bench, subscription, bench.limit(4.0)))
            await asyncio.sleep(0)
            began = loop.time()
            await broker.send([bench.message(topic)], timeout_s=5)
            got = await task
        late = loop.time() - began
        expect(len(got) == 1, "a waiting receive was not woken by a message")
        expect(late < bench.limit(1.0), f"a waiting receive was woken only after {late:.2f} s")
        await bench.settle(subscription, *got)


@check("DEL-08", "publish_returns_after_confirm", needs=("publisher_confirms", "persistent"))
async def returns_after_confirm(bench: Bench) -> None:
    """After a successful publish the death of the backend loses nothing."""
    app = await bench.app()
    topic = app.topic(bench.topic(), durability="process_crash")
    collector = bench.collect(app, topic, group="g", concurrency=4)
    await app.start(consume=False)
    await bench.publish(app, topic, *range(20))
    await bench.harness.disrupt("kill")
    await bench.harness.disrupt("restart")
    await app.stop(grace_s=0)
    await bench.started(app)
    await bench.received(collector, 20, limit_s=20)
    expect(set(collector.values) == set(range(20)), "confirmed messages are missing")


@check("DEL-09", "publish_before_any_subscriber")
async def before_any_subscriber(bench: Bench) -> None:
    """A declared group gets it; a topic without groups confirms it, and no later group sees it."""
    app = await bench.app()
    with_group, without = app.topic(bench.topic("with")), app.topic(bench.topic("without"))
    collector = bench.collect(app, with_group, group="g")
    await app.start(consume=False)
    await bench.publish(app, with_group, *range(5))
    await bench.publish(app, without, *range(5))
    try:
        await app.publish(without, bench.body(9), require_group=True)
    except PublishRejected as error:
        expect(error.code == "no_group", f"require_group rejected with {error.code!r}")
    else:
        raise CheckFailed("require_group=True was confirmed on a topic without groups")
    await app.stop()
    late = await bench.app()
    late.topic(without)
    nothing = bench.collect(late, without, group="later")
    await bench.started(late)
    await bench.started(app)
    await bench.exactly(collector, range(5))
    await bench.quiet()
    expect(not nothing.seen, f"a group declared later saw {len(nothing.seen)} earlier messages")


@check("DEL-10", "non_existing_destination")
async def non_existing(bench: Bench) -> None:
    """Publish: rejected (not_found) in every topology mode; subscribing under verify: an error."""
    for mode in ("manage", "verify", "assume"):
        app = await bench.app(topology=mode)
        await bench.started(app)
        try:
            await app.publish(bench.topic("undeclared"), bench.body(0))
        except PublishRejected as error:
            expect(error.code == "not_found", f"{mode}: rejected with {error.code!r}")
        else:
            raise CheckFailed(f"{mode}: publishing to an undeclared topic was confirmed")
        await app.close()
    verify = await bench.app(topology="verify")
    missing = verify.topic(bench.topic("missing"))
    bench.collect(verify, missing, group="g")
    try:
        await bench.started(verify)
    except TopologyError as error:
        expect(missing in str(error), f"the error does not name the topic: {error}")
    else:
        raise CheckFailed("an application with a missing topic started under topology=verify")


@check("DEL-11", "unroutable_publish_is_reported", needs=("publisher_confirms",))
async def unroutable(bench: Bench) -> None:
    """In a batch, just the entries without a destination are rejected, each by itself."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        subscription = await bench.subscribe(broker, topic, "g")
        nowhere = bench.topic("nowhere")
        batch = [bench.message(t) for t in (topic, nowhere, topic, nowhere, topic)]
        results = await broker.send(batch, timeout_s=bench.limit(5))
        kinds = [type(result) for result in results]
        wanted = [Confirmed, Rejected, Confirmed, Rejected, Confirmed]
        expect(kinds == wanted, f"results: {[kind.__name__ for kind in kinds]}")
        codes = {result.code for result in results if isinstance(result, Rejected)}
        expect(codes == {"not_found"}, f"rejected with {codes}")
        taken = await bench.take(subscription, 3)
        sent = [batch[i].id for i in (0, 2, 4)]
        expect([d.id for d in taken] == sent, "the confirmed entries did not arrive in order")
        await bench.settle(subscription, *taken)


@check("DEL-12", "cancelled_publish")
async def cancelled_publish(bench: Bench) -> None:
    """In a scope that is cancelled already publish raises CancelledError and sends nothing; one
    cancelled publish takes no other with it."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(app.publish(topic, bench.body(n))) for n in range(10)]
        tasks[3].cancel()
        tasks[7].cancel()
    cancelled = [n for n, task in enumerate(tasks) if task.cancelled()]
    expect(cancelled == [3, 7], f"cancelled: {cancelled}, not 3 and 7")
    await bench.exactly(collector, [n for n in range(10) if n not in (3, 7)])


@check("DEL-13", "concurrent_publishers")
async def concurrent_publishers(bench: Bench) -> None:
    """20 tasks of 50 publishes in two applications: nothing lost, order kept within each task."""
    app, other = await bench.app(), await bench.app()
    topic = app.topic(bench.topic())
    other.topic(topic)
    collector = bench.collect(app, topic, group="g", concurrency=1, prefetch=200)
    await bench.started(app)
    await bench.started(other)

    async def publish(task: int) -> None:
        for n in range(50):
            await bench.publish(app if task % 2 else other, topic, [task, n], key=f"t{task}")

    async with asyncio.TaskGroup() as group:
        for task in range(20):
            group.create_task(publish(task))
    await bench.received(collector, 1000, limit_s=20)
    await bench.quiet()
    expect(len(collector.seen) == 1000, f"{len(collector.seen)} of 1000 messages")
    for task in range(20):
        mine = [n for t, n in collector.values if t == task]
        expect(mine == list(range(50)), f"the messages of task {task} came as {mine[:10]} …")


@check("DEL-14", "wildcard_subscribe", needs=("wildcard_subscribe",))
async def wildcard(bench: Bench) -> None:
    """'*' is one segment, '#' any number; what does not match is not received."""
    app = await bench.app()
    base = bench.topic("w")
    names = [f"{base}.a", f"{base}.b", f"{base}.a.deep"]
    topics = [app.topic(name) for name in names]
    outside = app.topic(bench.topic("outside"))
    one = bench.collect(app, f"{base}.*", group="one")
    many = bench.collect(app, f"{base}.#", group="many")
    private = bench.collect(app, f"{base}.*")
    await bench.started(app)
    for number, topic in enumerate([*topics, outside]):
        await bench.publish(app, topic, number)
    await bench.exactly(one, [0, 1])
    await bench.exactly(many, [0, 1, 2])
    await bench.exactly(private, [0, 1])


async def _receive(bench: Bench, subscription: Any, wait_s: float) -> Any:
    slack_s = bench.limit(2)
    return await receive_in_time(subscription, max_messages=10, wait_s=wait_s, slack_s=slack_s)
