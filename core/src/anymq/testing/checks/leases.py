"""Leases: a long handler keeps its delivery, and waiting in the local buffer costs nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.app import App
from anymq.errors import ConfigError, UnsupportedError
from anymq.message import Delivery
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.probe import is_settled, short_lease

__all__ = ["held_without_lease"]


async def held_without_lease(bench: Bench) -> None:
    """No lease to extend: asking for one is refused at the start, and none runs out in secret."""
    try:
        app = await bench.app(plugin={"lease_s": bench.harness.timings.lease_s})
        app.topic(bench.topic())
        await bench.started(app)
    except (ConfigError, UnsupportedError) as error:
        expect("lease_s" in str(error), f"the refusal does not name lease_s: {error}")
    else:
        raise CheckFailed("lease_s was accepted, although the backend lacks lease_extension")
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        await broker.send([bench.message(topic) for _ in range(2)], timeout_s=bench.limit(5))
        held = await bench.take(member, 2)
        lost = list(await member.keep(held))
        expect(not lost, f"keep gave up {len(lost)} deliveries that no lease limits")
        await bench.settle(member, *held)
    await long_handler(bench)


@check(
    "CON-09",
    "long_handler_keeps_its_lease",
    needs=("lease_extension",),
    negative=held_without_lease,
)
async def long_handler(bench: Bench) -> None:
    """A handler longer than two leases: no second delivery, and its ack takes effect."""
    lease_s = bench.harness.timings.lease_s
    app, other = await _two(bench)
    topic = app.topic(bench.topic())
    other.topic(topic)

    async def long(value: Any, delivery: Delivery) -> None:
        await asyncio.sleep(lease_s * 2.2)

    first = bench.collect(app, topic, group="g", name="c", behaviour=long)
    second = bench.collect(other, topic, group="g", name="c", behaviour=long)
    await bench.started(app)
    await bench.publish(app, topic, "long")
    await bench.received(first, 1)
    await bench.started(other)
    await bench.wait(lambda: first.running == 0, "the long handler to end", lease_s * 3 + 5)
    await bench.wait_async(lambda: is_settled(bench, app, topic), "its ack to take effect")
    await _one_lease(bench)
    expect(len(first.seen) == 1, f"the same member got it {len(first.seen)} times")
    expect(not second.seen, "another member got it while its handler was running")


@check("CON-10", "buffered_message_lease")
async def buffered_lease(bench: Bench) -> None:
    """Waiting in the local buffer neither burns the lease nor counts as a delivery."""
    lease_s = bench.harness.timings.lease_s
    app, other = await _two(bench)
    topic = app.topic(bench.topic())
    other.topic(topic)

    async def half_a_lease(value: Any, delivery: Delivery) -> None:
        await asyncio.sleep(lease_s * 0.6)

    first = bench.collect(
        app, topic, group="g", name="c", concurrency=1, prefetch=4, behaviour=half_a_lease
    )
    second = bench.collect(other, topic, group="g", name="c", prefetch=1)
    await bench.started(app)
    await bench.publish_many(app, topic, range(4))
    await bench.received(first, 1)
    await bench.started(other)
    await bench.wait(lambda: bench.seen >= 4, "four messages", lease_s * 4 + 5)
    await _one_lease(bench)
    values = sorted([*first.values, *second.values])
    expect(values == [0, 1, 2, 3], f"handled: {values}: a buffered message came twice")
    counts = {s.delivery_count for s in (*first.seen, *second.seen)} - {None}
    expect(counts <= {1}, f"buffered messages were counted as delivered {counts} times")


async def _two(bench: Bench) -> tuple[App, App]:
    """Two applications with short leases, where the backend has leases."""
    lease = short_lease(bench)
    return await bench.app(plugin=lease), await bench.app(plugin=lease)


async def _one_lease(bench: Bench) -> None:
    """A quiet window in which what was not settled would come again."""
    timings = bench.harness.timings
    is_leased = bench.capabilities.lease_s is not None
    await bench.quiet(timings.lease_s * 1.2 if is_leased else None)
