"""Lost connections: idle consumers, their number on the backend, and handlers that are running."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.errors import BackendUnavailable
from anymq.events import SettlementLost
from anymq.message import Delivery
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.collector import Collector
from anymq.testing.disruption import fault, kinds, unharmed, until_heard
from anymq.testing.probe import is_settled

__all__: list[str] = []

CUTS = 3


@check("REC-02", "connection_cut_idle", disrupts=("cut",), limit_s=60)
async def cut_while_idle(bench: Bench) -> None:
    """Idle consumers get new messages after each cut, and the loss is told and taken back."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g", concurrency=2)
    aside = app.topic(bench.topic("aside"))
    private = bench.collect(app, aside)
    await bench.started(app)
    resume_s = bench.harness.timings.resume_s
    for turn in range(CUTS):
        await bench.quiet()
        await bench.harness.disrupt("cut")
        await bench.publish(app, topic, turn, timeout_s=bench.limit(resume_s))
        await bench.received(collector, turn + 1, limit_s=resume_s)
        await until_heard(bench, app, aside, private)
    await bench.exactly(collector, range(CUTS))
    await unharmed(bench, app)
    told = kinds(bench)
    expect("lost" in told, f"connections were cut, and the backend told only {told}")
    expect(told[-1] != "lost", f"it works again, and the last word is 'lost': {told}")
    await _narrow_receive_survives(bench)


async def _narrow_receive_survives(bench: Bench) -> None:
    """A receive that waits when its connection is cut goes on waiting, and gets the next."""
    async with bench.broker() as broker, asyncio.TaskGroup() as tasks:
        topic = bench.topic("narrow")
        await bench.declare(broker, topic, "g")
        subscription = await bench.subscribe(broker, topic, "g")
        resume_s = bench.harness.timings.resume_s
        waiting = tasks.create_task(bench.take(subscription, 1, limit_s=2 * resume_s))
        await bench.quiet()
        await bench.harness.disrupt("cut")
        await bench.quiet()
        expect(not waiting.done(), "a cut ended a receive that was waiting")
        message = bench.message(topic, b"after")

        async def is_sent() -> bool:
            (result,) = await broker.send([message], timeout_s=bench.limit(resume_s))
            return type(result).__name__ == "Confirmed"

        await bench.wait_async(is_sent, "a send after a cut to be confirmed", resume_s)
        (delivery,) = await waiting
        expect(delivery.body == b"after", f"after a cut {delivery.body!r} was received")
        await bench.settle(subscription, delivery)


@check("REC-04", "one_consumer_after_reconnect", disrupts=("cut", "restart"), limit_s=60)
async def one_consumer(bench: Bench) -> None:
    """After cuts and a restart the backend counts as many consumers and connections as before."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    other = app.topic(bench.topic("other"))
    collectors = [bench.collect(app, topic, group="g"), bench.collect(app, topic, group="h")]
    private = bench.collect(app, other)
    await bench.started(app)
    await bench.publish(app, topic, "before")
    for collector in collectors:
        await bench.received(collector, 1)
    before = await _consumers(bench)
    least = 3 if bench.harness.counts_anonymous else 2
    expect(before >= least, f"3 subscribers, and the harness counts {before} consumers")
    for turn in range(CUTS):
        await bench.harness.disrupt("restart" if turn == CUTS - 1 else "cut")
        await until_heard(bench, app, topic, *collectors)
        await until_heard(bench, app, other, private)
    await _same_again(bench, before)
    async with bench.broker() as broker:
        await _prefetch_again(bench, broker)
    await unharmed(bench, app)
    await _settled(bench, app, topic)
    at = [len(collector.seen) for collector in collectors]
    await bench.publish(app, topic, *range(20))
    for collector, n in zip(collectors, at, strict=True):
        await bench.received(collector, n + 20)
    await bench.quiet()
    for collector, n in zip(collectors, at, strict=True):
        expect(collector.values[n:] == list(range(20)), f"then came {collector.values[n:]}")


async def _consumers(bench: Bench) -> int:
    counts = await bench.harness.inspect()
    expect("consumers" in counts, "the harness's inspect() does not count consumers")
    return counts["consumers"]


async def _same_again(bench: Bench, before: int) -> None:
    seen: list[int] = []

    async def is_same() -> bool:
        seen.append(await _consumers(bench))
        return seen[-1] == before

    try:
        await bench.wait_async(is_same, "the consumers", bench.harness.timings.resume_s)
    finally:
        expect(seen[-1] == before, f"{before} consumers became {seen[-1]} after {CUTS} reconnects")


async def _prefetch_again(bench: Bench, broker: Any) -> None:
    """The limit on what is unsettled holds on the new connection as it did on the old one."""
    topic = bench.topic("narrow")
    await bench.declare(broker, topic, "g")
    subscription = await bench.subscribe(broker, topic, "g", prefetch=2)
    await bench.harness.disrupt("cut")
    resume_s = bench.harness.timings.resume_s
    results: list[Any] = []

    async def is_sent() -> bool:
        results[:] = await broker.send(messages, timeout_s=bench.limit(resume_s))
        return all(type(result).__name__ == "Confirmed" for result in results)

    messages = [bench.message(topic, b"%d" % n) for n in range(6)]
    await bench.wait_async(is_sent, "a batch after a cut to be confirmed", resume_s)
    first = await bench.take(subscription, 2, limit_s=resume_s)
    more = await subscription.receive(max_messages=6, wait_s=bench.harness.timings.quiet_s)
    expect(not more, f"with prefetch 2, {2 + len(more)} came unsettled after a cut")
    await bench.settle(subscription, *first)


@check("REC-08", "in_flight_during_cut_redelivered", disrupts=("cut", "refuse", "heal"), limit_s=60)
async def in_flight(bench: Bench) -> None:
    """Cut while handlers run, and their acks fail: nothing is lost, later messages flow."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    go = asyncio.Event()

    async def hold(value: Any, delivery: Delivery) -> None:
        if str(value).startswith("held") and not go.is_set():
            await go.wait()

    collector = bench.collect(app, topic, group="g", concurrency=3, prefetch=6, behaviour=hold)
    await bench.started(app)
    resume_s = bench.harness.timings.resume_s
    held = [f"held{n}" for n in range(3)]
    await bench.publish(app, topic, *held)
    await bench.received(collector, 3)
    await bench.harness.disrupt("cut")
    go.set()
    await _flows_again(bench, app, topic, collector, "cut")
    go.clear()
    held += [f"held{n}" for n in range(3, 6)]
    await bench.publish(app, topic, *held[3:], timeout_s=bench.limit(resume_s))
    await bench.wait(lambda: collector.running >= 3, "three more handlers", resume_s)
    async with fault(bench, "refuse", mend="heal"):
        go.set()
        await bench.wait(lambda: collector.running == 0, "the handlers to return")
        await bench.quiet()
    await _flows_again(bench, app, topic, collector, "refused")
    _told_of_each(bench, collector, held)
    await unharmed(bench, app)


async def _flows_again(bench: Bench, app: Any, topic: str, collector: Collector, when: str) -> None:
    values = [f"{when}{n}" for n in range(10)]
    resume_s = bench.harness.timings.resume_s
    await bench.publish(app, topic, *values, timeout_s=bench.limit(resume_s))
    await bench.wait(
        lambda: set(values) <= set(collector.values), "later messages to flow", resume_s
    )
    await _settled(bench, app, topic)


async def _settled(bench: Bench, app: Any, topic: str) -> None:
    async def is_done() -> bool:
        try:
            return await is_settled(bench, app, topic)
        except BackendUnavailable:
            return False  # asked over a connection that was cut, too

    what = "what was being handled to be settled, or to come again"
    await bench.wait_async(is_done, what, bench.harness.timings.resume_s + 10)


def _told_of_each(bench: Bench, collector: Collector, held: list[str]) -> None:
    """Who was told that a settlement is lost got the message again; each repetition is flagged."""
    expect(all(seen.attempt == 1 for seen in collector.seen), "a cut was counted as a failure")
    lost = {event.message_id for event in bench.events if isinstance(event, SettlementLost)}
    for value in held:
        calls = [seen for seen in collector.seen if seen.value == value]
        if any(seen.id in lost for seen in calls):
            expect(len(calls) > 1, f"the ack of {value} was lost, and it did not come again")
        flagged = all(s.redelivered or (s.delivery_count or 1) > 1 for s in calls[1:])
        expect(flagged, f"{value} came again, and nothing says so")
