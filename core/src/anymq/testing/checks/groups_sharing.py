"""Groups: each gets everything, members share, anonymous ones are private and leave nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.message import Delivery
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.probe import until_dead

__all__: list[str] = []

GROUPS = ("consumer_groups",)
ANONYMOUS = ("anonymous_subscription",)


@check("GRP-01", "two_groups_each_get_all", needs=GROUPS)
async def two_groups(bench: Bench) -> None:
    """Multiset equality per group, also when one was declared by another application."""
    app, other = await bench.app(), await bench.app()
    topic = app.topic(bench.topic())
    other.topic(topic)
    first = bench.collect(app, topic, group="one", concurrency=3)
    second = bench.collect(app, topic, group="two")
    third = bench.collect(other, topic, group="three")
    await bench.started(app)
    await bench.started(other)
    await bench.publish_many(app, topic, range(60))
    for collector in (first, second, third):
        await bench.exactly(collector, range(60))


@check("GRP-02", "members_of_a_group_share", needs=GROUPS)
async def members_share(bench: Bench) -> None:
    """The union is all, the intersection empty, every member gets some."""
    topic = bench.topic()

    async def slow(value: Any, delivery: Delivery) -> None:
        await asyncio.sleep(0.002)

    apps = [await bench.app() for _ in range(3)]
    for app in apps:
        app.topic(topic, partitions=3)
        bench.collect(app, topic, group="g", name="member", prefetch=2, behaviour=slow)
        await bench.started(app)
    await bench.publish_many(apps[0], topic, range(90))
    await bench.wait(lambda: bench.seen >= 90, "90 messages", 15)
    await bench.quiet()
    values = sorted(value for c in bench.collectors for value in c.values)
    expect(values == list(range(90)), f"{len(values)} calls for 90 messages over the members")
    shares = [len(collector.seen) for collector in bench.collectors]
    expect(min(shares) > 0, f"the members' shares are {shares}")


@check("GRP-03", "anonymous_gets_copy", needs=ANONYMOUS)
async def anonymous_copies(bench: Bench) -> None:
    """Every anonymous subscription gets each message, beside a group, within and across apps."""
    app, other = await bench.app(), await bench.app()
    topic = app.topic(bench.topic())
    other.topic(topic)
    collectors = [
        bench.collect(app, topic),
        bench.collect(app, topic),
        bench.collect(other, topic),
        bench.collect(app, topic, group="named"),
    ]
    await bench.started(app)
    await bench.started(other)
    await bench.publish(app, topic, *range(20))
    for collector in collectors:
        await bench.exactly(collector, range(20))


@check("GRP-04", "anonymous_is_ephemeral", needs=ANONYMOUS)
async def anonymous_is_ephemeral(bench: Bench) -> None:
    """What was sent while it was not bound is not received; its objects are removed."""
    before = dict(await bench.harness.inspect())
    publisher = await bench.app()
    topic = publisher.topic(bench.topic())
    await bench.started(publisher)
    await bench.publish(publisher, topic, "before")
    app = await bench.app()
    app.topic(topic)
    collector = bench.collect(app, topic)
    await bench.started(app)
    await bench.publish(publisher, topic, "during")
    await bench.exactly(collector, ["during"])
    await app.stop()
    groups = await _management(publisher).groups(topic)
    expect(not groups, f"an anonymous subscription left a group: {groups}")
    await bench.publish(publisher, topic, "while away")
    await bench.started(app)
    await bench.publish(publisher, topic, "again")
    await bench.exactly(collector, ["during", "again"])
    await app.stop()
    after = dict(await bench.harness.inspect())
    expect(
        after.get("anonymous", 0) <= before.get("anonymous", 0),
        f"objects left on the backend: {before} became {after}",
    )


@check("GRP-10", "slow_subscriber_does_not_block_others")
async def slow_group(bench: Bench) -> None:
    """One group never acknowledges; another one still gets everything."""
    app = await bench.app(grace_s=0.1)
    topic = app.topic(bench.topic())
    never = asyncio.Event()

    async def hang(value: Any, delivery: Delivery) -> None:
        await never.wait()

    stuck = bench.collect(app, topic, group="stuck", behaviour=hang)
    free = bench.collect(app, topic, group="free")
    await bench.started(app)
    await bench.publish_many(app, topic, range(300))
    await bench.exactly(free, range(300))
    expect(len(stuck.seen) == 1, f"concurrency 1, and {len(stuck.seen)} handlers run")


@check("GRP-11", "retry_is_private")
async def retry_is_private(bench: Bench) -> None:
    """Group a fails twice, an anonymous subscription once; nobody else sees their retries."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=5, first_delay_s=0.05, factor=1, jitter=0)

    async def twice(value: Any, delivery: Delivery) -> None:
        if delivery.attempt < 3:
            raise LookupError("on purpose")

    failing = bench.collect(app, topic, group="a", retry=policy, behaviour=twice)
    other = bench.collect(app, topic, group="b")
    private = bench.collect(app, topic)

    async def once(value: Any, delivery: Delivery) -> None:
        if delivery.attempt < 2:
            raise LookupError("on purpose")

    failing_too = bench.collect(app, topic, retry=policy, behaviour=once)
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await bench.received(failing, 3)
    await bench.received(failing_too, 2)
    await bench.quiet()
    expect(len(failing_too.seen) == 2, f"failing anonymous: {len(failing_too.seen)} calls, not 2")
    expect(len(failing.seen) == 3, f"group a: {len(failing.seen)} calls, not 3")
    for name, collector in (("b", other), ("anonymous", private)):
        expect(len(collector.seen) == 1, f"group {name}: {len(collector.seen)} deliveries, not 1")


@check("GRP-12", "replay_is_private", needs=("dead_letters",))
async def replay_is_private(bench: Bench) -> None:
    """A dead letter of group a is replayed; group b sees nothing of it."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    mended = False

    async def bad(value: Any, delivery: Delivery) -> None:
        if not mended:
            raise LookupError("on purpose")

    once = RetryPolicy(max_attempts=1)
    failing = bench.collect(app, topic, group="a", retry=once, behaviour=bad)
    other = bench.collect(app, topic, group="b")
    await bench.started(app)
    await bench.publish(app, topic, "x")
    await until_dead(bench, app, topic, group="a")
    mended = True
    await app.dead_letters.replay(topic, "a")
    await bench.received(failing, 2)
    await bench.quiet()
    expect(len(failing.seen) == 2, f"group a: {len(failing.seen)} calls, not 2")
    expect(len(other.seen) == 1, f"group b saw the replay: {len(other.seen)} deliveries")


def _management(app: Any) -> Any:
    return app._lifecycle.engine.broker.management()
