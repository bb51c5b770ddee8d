"""What ``settle`` promises core: one answer each, in order, and to each its own outcome."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from anymq.message import Delivery
from anymq.outcome import ACK, RELEASE, DeadLetter, Outcome, Retry, Settled, Settlement, Stale
from anymq.retry import RetryPolicy
from anymq.testing.bench import Bench
from anymq.testing.check import also, expect
from anymq.testing.probe import nothing_more

__all__: list[str] = []


@also("ACK-09")
async def answers_in_order(bench: Bench) -> None:
    """One call for fresh and stale deliveries: as many answers, each at its place."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        await broker.send([bench.message(topic) for _ in range(6)], timeout_s=bench.limit(5))
        held = await bench.take(member, 6)
        await bench.settle(member, held[0], held[3])
        answers = await bench.settle(member, *held)
        stale = [place for place, answer in enumerate(answers) if isinstance(answer, Stale)]
        settled = [place for place, answer in enumerate(answers) if isinstance(answer, Settled)]
        expect(stale == [0, 3], f"deliveries 0 and 3 were settled before; Stale are {stale}")
        expect(settled == [1, 2, 4, 5], f"1, 2, 4 and 5 were not; Settled are {settled}")
        twice = await bench.settle(member, held[5], held[5])
        expect(all(isinstance(a, Stale) for a in twice), f"settled long ago, and {twice}")
        await nothing_more(bench, member, "acknowledged messages came again")


@also("ACK-10")
async def each_its_outcome(bench: Bench) -> None:
    """One call with different outcomes, in any order of deliveries: to each its own."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        outcomes: dict[str, Outcome] = {"ack": ACK}
        handles = bench.capabilities.handles
        if "release" in handles:
            outcomes["release"] = RELEASE
        if "retry" in handles:
            outcomes["retry"] = Retry(0.0)
        if "dead_letter" in handles:
            outcomes["dead"] = DeadLetter("asked for")
        sent = [bench.message(topic, name.encode()) for name in (*outcomes, "kept")]
        await broker.send(sent, timeout_s=bench.limit(5))
        held = {d.body.decode(): d for d in await bench.take(member, len(sent))}
        items = [_settlement(held[name], outcome) for name, outcome in outcomes.items()]
        answers = await member.settle(items[::-1], timeout_s=bench.limit(5))
        expect(all(isinstance(a, Settled) for a in answers), f"answers: {answers}")
        expect(len(answers) == len(items), f"{len(answers)} answers for {len(items)}")
        again = {name for name in outcomes if name in ("release", "retry")}
        back = await bench.take(member, len(again)) if again else []
        got = {d.body.decode(): d for d in back}
        expect(set(got) == again, f"{sorted(again)} were due again, and {sorted(got)} came")
        for name, delivery in got.items():
            expect(delivery.id == held[name].id, f"{name}: the id changed")
            wanted = 2 if name == "retry" else 1
            expect(delivery.attempt == wanted, f"{name} came as attempt {delivery.attempt}")
        await nothing_more(bench, member, "more came again than was given back")
        dead = await broker.management().dead_letters(topic, "g", limit=10)
        names = [entry.message.body.decode() for entry in dead]
        expect(names == (["dead"] if "dead" in outcomes else []), f"dead letters: {names}")
        await bench.settle(member, held["kept"], *back)


def _settlement(delivery: Delivery, outcome: Outcome) -> Settlement:
    if isinstance(outcome, Retry):
        again = replace(delivery.message, attempt=2, lane="retry", group="g")
        return Settlement(delivery, outcome, again)
    if isinstance(outcome, DeadLetter):
        return Settlement(delivery, outcome, replace(delivery.message, lane="dead", group="g"))
    return Settlement(delivery, outcome)


@also("GRP-09")
async def out_of_order(bench: Bench) -> None:
    """Acknowledging later messages acknowledges no earlier one, also not when the member leaves."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        sent = [bench.message(topic, b"%d" % n) for n in range(6)]
        await broker.send(sent, timeout_s=bench.limit(5))
        held = await bench.take(member, 6)
        await bench.settle(member, held[5])
        await bench.settle(member, held[2], held[3])
        async with asyncio.timeout(bench.limit(8)):
            await member.aclose(timeout_s=bench.limit(5))
        heir = await bench.subscribe(broker, topic, "g")
        rest = await bench.take(heir, 3)
        bodies = sorted(delivery.body for delivery in rest)
        expect(bodies == [b"0", b"1", b"4"], f"0, 1 and 4 were unsettled, and {bodies} came")
        await nothing_more(bench, heir, "acknowledged messages came again")
        await bench.settle(heir, *rest)


@also("ACK-05")
async def released_at_once(bench: Bench) -> None:
    """Where the plugin releases itself: back at once, the same message, not behind a delay."""
    if "release" not in bench.capabilities.handles:
        return
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        sent = bench.message(topic, b"x", headers={"h": "1"}, key="k")
        await broker.send([sent], timeout_s=bench.limit(5))
        loop = asyncio.get_running_loop()
        for _ in range(3):
            delivery = (await bench.take(member, 1))[0]
            began = loop.time()
            await bench.settle(member, delivery, outcome=RELEASE)
            again = (await bench.take(member, 1))[0]
            took = loop.time() - began
            expect(took < bench.limit(1.0), f"a released message came only after {took:.2f} s")
            facts = (again.id, again.body, again.key, again.headers, again.attempt)
            wanted = (sent.id, b"x", "k", {"h": "1"}, 1)
            expect(facts == wanted, f"released as {wanted}, it came as {facts}")
            await bench.settle(member, again, outcome=RELEASE)
        await bench.settle(member, *await bench.take(member, 1))
        await nothing_more(bench, member, "a released message came once too often")


@also("RTY-03")
@also("RTY-21")
async def failures_charge_one(bench: Bench) -> None:
    """A failure is counted for who failed, and for nobody that was fetched with it."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    policy = RetryPolicy(max_attempts=3, first_delay_s=0.02, factor=1, jitter=0)

    async def bad_one(value: Any, delivery: Delivery) -> None:
        if value == "bad":
            raise LookupError("on purpose")

    collector = bench.collect(app, topic, group="g", prefetch=10, retry=policy, behaviour=bad_one)
    await app.start(consume=False)
    await bench.publish_many(app, topic, ["bad", *range(8)])
    await app.stop()
    await bench.started(app)
    await bench.received(collector, 11)
    neighbours = [seen for seen in collector.seen if seen.value != "bad"]
    charged = [seen.value for seen in neighbours if seen.attempt != 1]
    expect(not charged, f"{len(charged)} neighbours were charged with another one's failure")
    attempts = [seen.attempt for seen in collector.seen if seen.value == "bad"]
    expect(attempts == [1, 2, 3], f"who failed three times had the attempts {attempts}")
