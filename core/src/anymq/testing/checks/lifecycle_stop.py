"""Stopping: what runs may end, what does not is cancelled and uncharged, the rest goes back."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.events import ConsumerStopped, HookFailed, SettlementLost
from anymq.message import Delivery
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.collector import Collector
from anymq.testing.probe import is_settled

__all__ = ["prefetched_go_back", "uncounted_go_back"]


@check("LIF-11", "stop_waits_for_in_flight")
async def waits_for_in_flight(bench: Bench) -> None:
    """Running handlers of all subscribers end in peace, publish and are acknowledged; no new."""
    app, other = await bench.app(), await bench.app()
    first, second = app.topic(bench.topic("a")), app.topic(bench.topic("b"))
    out = app.topic(bench.topic("out"))
    other.topic(out)
    go, done, troubled = asyncio.Event(), list[Any](), list[str]()

    async def work(value: Any, delivery: Delivery) -> None:
        try:
            await go.wait()
        except asyncio.CancelledError:
            troubled.append(f"{value}: cancelled")
            raise
        if delivery.is_ended:
            troubled.append(f"{value}: its scope had ended")
        await delivery.publish(out, bench.body(f"{value} with"))
        await app.publish(out, bench.body(f"{value} beside"))
        done.append(value)

    one = bench.collect(app, first, group="g", concurrency=2, prefetch=2, behaviour=work)
    two = bench.collect(app, second, group="g", prefetch=1, behaviour=work)
    early = app.topic(bench.topic("early"))
    three = bench.collect(app, early, group="g", ack="before", behaviour=work)
    results = bench.collect(other, out, group="g", name="results")
    await bench.started(other)
    await bench.started(app)
    await bench.publish(app, first, "a1", "a2", "a3")
    await bench.publish(app, second, "b1", "b2")
    await bench.publish(app, early, "c1")
    await bench.wait(lambda: one.running == 2 and two.running == 1, "three handlers")
    await bench.wait(lambda: three.running == 1, "a handler that acknowledged before")
    async with asyncio.TaskGroup() as tasks:
        stopping = tasks.create_task(app.stop(grace_s=bench.limit(8)))
        await bench.wait(lambda: app.state == "stopping", "the stop to begin")
        await bench.quiet()
        expect(not stopping.done(), "stop did not wait for running handlers")
        expect(not troubled, f"running handlers were disturbed: {troubled}")
        go.set()
        await bench.wait(stopping.done, "the stop to end with the last handler", 8)
    expect(not troubled, f"running handlers were disturbed: {troubled}")
    expect(len(done) == 4, f"{done} ended, but four handlers were running")
    await bench.exactly(results, [f"{value} {how}" for value in done for how in ("with", "beside")])
    fresh = await bench.app()
    rest_a = bench.collect(fresh, fresh.topic(first), group="g", name="rest-a")
    rest_b = bench.collect(fresh, fresh.topic(second), group="g", name="rest-b")
    await bench.started(fresh)
    await bench.exactly(rest_a, [v for v in ("a1", "a2", "a3") if v not in done])
    await bench.exactly(rest_b, [v for v in ("b1", "b2") if v not in done])
    await bench.wait_async(lambda: is_settled(bench, fresh, first), "all to be settled")
    await bench.wait_async(lambda: is_settled(bench, fresh, second), "all to be settled")


@check("LIF-12", "stop_timeout_cancels_handler")
async def grace_ends(bench: Bench) -> None:
    """After the grace time handlers are cancelled, not before; their clean-up still runs."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    loop = asyncio.get_running_loop()
    cancelled_at, cleaned = list[float](), list[Any]()

    async def for_ever(value: Any, delivery: Delivery) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled_at.append(loop.time())
            raise
        finally:
            await asyncio.sleep(0)
            cleaned.append(value)

    collector = bench.collect(app, topic, group="g", concurrency=3, behaviour=for_ever)
    await bench.started(app)
    await bench.publish(app, topic, 1, 2, 3)
    await bench.wait(lambda: collector.running == 3, "three handlers")
    began = loop.time()
    async with asyncio.timeout(bench.limit(8)):
        await app.stop(grace_s=0.4)
    expect(len(cancelled_at) == 3, f"{len(cancelled_at)} of 3 handlers were cancelled")
    early, late = min(cancelled_at) - began, max(cancelled_at) - began
    expect(early >= 0.39, f"a handler was cancelled after {early:.3f} s of 0.4 s grace")
    expect(late < 0.4 + bench.limit(2), f"a handler was cancelled only after {late:.3f} s")
    expect(sorted(cleaned) == [1, 2, 3], f"clean-up ran for {cleaned} only")
    expect(app.state == "stopped", f"after the stop the application is {app.state}")


@check("LIF-13", "cancelled_by_shutdown_is_not_failure")
async def cancelled_is_no_failure(bench: Bench) -> None:
    """No attempt, no dead letter, no error hook, no critical event; it comes again."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    hooked: list[str] = []
    is_second = False

    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append(f"{type(error).__name__}: {error}")

    async def ends_somehow(value: Any, delivery: Delivery) -> None:
        if is_second:
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if value == "turned into an error":
                raise ConnectionError("a client library's word for it") from None
            raise

    app.on_error(hook)
    policy = RetryPolicy(max_attempts=1)
    options: dict[str, Any] = {"retry": policy, "concurrency": 4, "behaviour": ends_somehow}
    collector = bench.collect(app, topic, group="g", **options)
    await bench.started(app)
    values = ["plain", "turned into an error", "plain too"]
    await bench.publish(app, topic, *values)
    await bench.wait(lambda: collector.running == 3, "three handlers")
    async with asyncio.timeout(bench.limit(8)):
        await app.stop(grace_s=0.1)
    expect(not hooked, f"error hooks were told of the shutdown: {hooked}")
    expect(collector.running == 0, f"{collector.running} handlers survived the stop")
    is_second = True
    await bench.started(app)
    await bench.received(collector, 6)
    await bench.quiet()
    again = collector.seen[3:]
    expect(sorted(s.value for s in again) == sorted(values), f"came again: {again}")
    attempts = {s.value: s.attempt for s in again}
    expect(set(attempts.values()) == {1}, f"attempts after the restart: {attempts}")
    expect(not hooked, f"error hooks were told: {hooked}")
    entries = await app.dead_letters.entries(topic, "g")
    expect(not entries, f"{len(entries)} dead letters of a shutdown")
    kinds = (ConsumerStopped, HookFailed, SettlementLost)
    critical = [event for event in bench.events if isinstance(event, kinds)]
    expect(not critical, f"a shutdown told {critical}")
    await _forced(bench)
    await _settled_by_hand(bench)


async def _settled_by_hand(bench: Bench) -> None:
    """Acknowledged by hand and then cancelled: done, and not given back."""
    app = await bench.app()
    topic = app.topic(bench.topic("manual"))

    async def acks_first(value: Any, delivery: Delivery) -> None:
        expect(await delivery.ack(), "ack() answered False")
        await asyncio.Event().wait()

    collector = bench.collect(app, topic, group="g", ack="manual", behaviour=acks_first)
    await bench.started(app)
    await bench.publish(app, topic, "done")
    await bench.received(collector, 1)
    await app.stop(grace_s=0.1)
    told = [event for event in bench.events if isinstance(event, SettlementLost)]
    expect(not told, f"what was settled by hand was settled again: {told}")


async def _forced(bench: Bench) -> None:
    """Cancelled at once, as by a second signal: the same; and the consumer can go on."""
    app = await bench.app()
    topic = app.topic(bench.topic("forced"))
    ended: list[Any] = []

    async def stubborn(value: Any, delivery: Delivery) -> None:
        if len(collector.seen) > 2:
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if value != "finishes":
                raise
        ended.append(value)

    collector = bench.collect(app, topic, group="g", concurrency=2, behaviour=stubborn)
    await bench.started(app)
    await bench.publish(app, topic, "gives up", "finishes")
    await bench.wait(lambda: collector.running == 2, "two handlers")
    app.force()
    await bench.received(collector, 3)
    await bench.publish(app, topic, *range(10))
    await bench.received(collector, 13)
    await bench.quiet()
    expected: dict[Any, int] = {"gives up": 2, "finishes": 1, **dict.fromkeys(range(10), 1)}
    expect(dict(collector.counts) == expected, f"calls per message: {dict(collector.counts)}")
    expect(all(s.attempt == 1 for s in collector.seen), "a forced cancellation was charged")


async def prefetched_go_back(bench: Bench, *, is_counted: bool) -> None:
    """Fetched and not started: another member has them while the stopping one still works."""
    app, other = await bench.app(), await bench.app()
    topic = app.topic(bench.topic())
    other.topic(topic)
    go = asyncio.Event()

    async def block(value: Any, delivery: Delivery) -> None:
        await go.wait()

    first = bench.collect(app, topic, group="g", name="c", prefetch=20, behaviour=block)
    second = bench.collect(other, topic, group="g", name="c", prefetch=30)
    await bench.started(app)
    await bench.publish_many(app, topic, range(25))
    await bench.received(first, 1)
    await bench.wait(lambda: len(app.consumers["c"].unsettled()) == 20, "20 to be prefetched", 10)
    async with asyncio.TaskGroup() as tasks:
        stopping = tasks.create_task(app.stop(grace_s=bench.limit(10)))
        await bench.wait(lambda: app.state == "stopping", "the stop to begin")
        await bench.started(other)
        if not bench.harness.hands_over_whole:
            await bench.received(second, 24, limit_s=8)
        expect(not stopping.done(), "the stop did not wait for the handler that was running")
        go.set()
        await bench.wait(stopping.done, "the stop to end", 10)
    await bench.received(second, 24, limit_s=8)
    await bench.quiet()
    bench.check_exact(second, [n for n in range(25) if n not in first.values])
    expect(len(first.seen) == 1, f"{len(first.seen) - 1} handlers began after the stop did")
    _check_uncharged(second, (1 + bench.harness.counts_returns) if is_counted else None)


def _check_uncharged(collector: Collector, most: int | None) -> None:
    attempts = {seen.attempt for seen in collector.seen}
    expect(attempts == {1}, f"attempts of messages that were only prefetched: {attempts}")
    counts = {seen.delivery_count for seen in collector.seen}
    if most is None:
        expect(counts == {None}, f"delivery_count is not declared, and is {counts}")
        return
    expect(None not in counts, "delivery_count is declared, and is None")
    expect(counts <= {*range(1, most + 1)}, f"prefetching was counted as a delivery: {counts}")


async def uncounted_go_back(bench: Bench) -> None:
    """As LIF-15 where the backend cannot count deliveries: it must not say that it can."""
    await prefetched_go_back(bench, is_counted=False)


@check(
    "LIF-15",
    "prefetched_are_returned_on_stop",
    needs=("delivery_count",),
    negative=uncounted_go_back,
)
async def counted_go_back(bench: Bench) -> None:
    """Fetched and not started: another member has them, uncounted where the broker allows."""
    await prefetched_go_back(bench, is_counted=True)
    topic = bench.topic("narrow")
    async with bench.broker() as broker, bench.broker() as second:
        await bench.declare(broker, topic, "g")
        leaver = await bench.subscribe(broker, topic, "g")
        await broker.send([bench.message(topic) for _ in range(10)], timeout_s=bench.limit(5))
        held = await bench.take(leaver, 10)
        began = asyncio.get_running_loop().time()
        await leaver.aclose(timeout_s=bench.limit(5))
        heir = await bench.subscribe(second, topic, "g")
        got = await bench.take(heir, 10)
        took = asyncio.get_running_loop().time() - began
        expect({d.id for d in got} == {d.id for d in held}, "not what the leaver had held")
        lease_s = bench.capabilities.lease_s
        late = lease_s is not None and took >= max(lease_s / 2, 1.0)
        expect(not late, f"a leaver's came back after {took:.2f} s only (lease: {lease_s} s)")
        await bench.settle(heir, *got)
        await heir.aclose(timeout_s=bench.limit(5))  # or it has its share of what follows
        await _cancelled_receives(bench, broker, topic)


async def _cancelled_receives(bench: Bench, broker: Any, topic: str) -> None:
    """A receive that is cancelled as messages come: each was returned, or comes with the next."""
    member = await bench.subscribe(broker, topic, "g")
    sent: list[str] = []
    got: list[Delivery] = []
    for turn in range(8):
        async with asyncio.TaskGroup() as tasks:
            receiving = tasks.create_task(member.receive(max_messages=5, wait_s=bench.limit(5)))
            await asyncio.sleep(0)
            message = bench.message(topic)
            sent.append(message.id)
            await broker.send([message], timeout_s=bench.limit(5))
            await asyncio.sleep(0.001 * turn)
            receiving.cancel()
        if not receiving.cancelled():
            got += receiving.result()
    got += await bench.take(member, len(sent) - len(got))
    expect(sorted(d.id for d in got) == sorted(sent), "a cancelled receive lost its messages")
    await bench.settle(member, *got)
