"""What ``receive`` and ``keep`` promise core: bounds, safe cancelling, leases, true counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from anymq.abc import Subscription
from anymq.capabilities import Support
from anymq.message import Delivery
from anymq.outcome import Settled, Stale
from anymq.testing.bench import Bench
from anymq.testing.check import also, expect
from anymq.testing.probe import nothing_more, short_lease
from anymq.testing.receiving import receive_in_time

__all__: list[str] = []


@also("BAT-04")
async def receive_is_bounded(bench: Bench) -> None:
    """1 to max_messages, as soon as there is anything, however much was asked for."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        await broker.send([bench.message(topic) for _ in range(20)], timeout_s=bench.limit(5))
        got: list[Delivery] = []
        while len(got) < 20:
            fresh = await receive_in_time(
                member, max_messages=3, wait_s=bench.limit(5), slack_s=bench.limit(2)
            )
            expect(fresh, "receive gave nothing, although there was something")
            got += fresh
        await bench.settle(member, *got)
        await nothing_more(bench, member, "more came than was sent")
        loop = asyncio.get_running_loop()
        await broker.send([bench.message(topic) for _ in range(2)], timeout_s=bench.limit(5))
        began = loop.time()
        few = await bench.take(member, 1, limit_s=10)
        took = loop.time() - began
        expect(took < bench.limit(1.5), f"receive held back what there was for {took:.2f} s")
        rest = [] if len(few) == 2 else await bench.take(member, 2 - len(few))
        await bench.settle(member, *few, *rest)
        await broker.send([bench.message(topic)], timeout_s=bench.limit(5))
        began = loop.time()
        one = await receive_in_time(
            member, max_messages=50, wait_s=bench.limit(10), slack_s=bench.limit(2)
        )
        took = loop.time() - began
        expect(took < bench.limit(1.5), f"receive waited {took:.2f} s for 50 messages")
        await bench.settle(member, *one)


@also("CON-04")
async def each_once(bench: Bench) -> None:
    """Four members of one group: each message to one of them, and nothing further."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        members = [await bench.subscribe(broker, topic, "g", prefetch=10) for _ in range(4)]
        sent = [bench.message(topic) for _ in range(40)]
        await broker.send(sent, timeout_s=bench.limit(5))
        ids: list[str] = []
        idle = 0
        while idle < len(members):
            for member in members:
                got = await receive_in_time(
                    member, max_messages=5, wait_s=0.02, slack_s=bench.limit(2)
                )
                await bench.settle(member, *got)
                ids += [delivery.id for delivery in got]
                idle = 0 if got else idle + 1
                if len(ids) < len(sent) and not got:
                    idle = 0
        for member in members:
            await nothing_more(bench, member, "more came than was sent")
        expect(sorted(ids) == sorted(m.id for m in sent), f"{len(ids)} deliveries of 40 messages")


@also("LIF-15")
async def cancelled_receives(bench: Bench) -> None:
    """A receive may be cancelled at any moment: what it had not returned comes with the next."""
    async with bench.broker() as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        member = await bench.subscribe(broker, topic, "g")
        sent, got = [], list[Delivery]()
        for turn in range(24):
            sent.append(message := bench.message(topic, b"%d" % turn))
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(_received(member, got))
                await asyncio.sleep(0)
                sending = group.create_task(broker.send([message], timeout_s=bench.limit(5)))
                for _ in range(turn % 8):
                    await asyncio.sleep(0 if turn < 16 else 0.001)
                receiving.cancel()
                await sending
        rest = await bench.take(member, len(sent) - len(got))
        expect(
            {d.id for d in (*got, *rest)} == {m.id for m in sent},
            "a cancelled receive took messages with it",
        )
        await bench.settle(member, *got, *rest)
        await nothing_more(bench, member, "messages came twice after cancelled receives")


async def _received(member: Subscription, into: list[Delivery]) -> None:
    while True:
        into += await member.receive(max_messages=10, wait_s=10)


@also("CON-09")
async def lease_ends(bench: Bench) -> None:
    """What is neither settled nor kept goes to another member; keep says so, and saves the rest."""
    lease_s = bench.harness.timings.lease_s
    lost: list[str] = []

    def on_lost(deliveries: Sequence[Delivery]) -> None:
        lost.extend(delivery.id for delivery in deliveries)

    async with bench.broker(**short_lease(bench)) as broker:
        topic = bench.topic()
        await bench.declare(broker, topic, "g")
        idle = await bench.subscribe(broker, topic, "g", prefetch=2, on_lost=on_lost)
        await broker.send([bench.message(topic) for _ in range(2)], timeout_s=bench.limit(5))
        left, kept = await bench.take(idle, 2)
        _check_first(bench, (left, kept))
        heir = await bench.subscribe(broker, topic, "g", prefetch=10)
        again = await _kept_while(bench, idle, kept, heir, lease_s)
        expect(
            [d.id for d in again] == [left.id],
            f"{len(again)} deliveries moved when one of two leases ended",
        )
        expect(again[0].redelivered, "a delivery that moved is not flagged as redelivered")
        told = list(await idle.keep([left, kept]))
        ours = [d.id for d in told]
        expect(ours == [left.id], f"of one lost and one kept, keep says {len(ours)} are lost")
        late, good = [(await bench.settle(idle, d))[0] for d in (left, kept)]
        expect(isinstance(late, Stale), f"settling a lost delivery answered {late}, not Stale")
        expect(isinstance(good, Settled), f"settling a kept delivery answered {good}")
        settled = await bench.settle(heir, *again)
        expect(isinstance(settled[0], Settled), "a stale settlement took the delivery with it")


async def _kept_while(
    bench: Bench, idle: Subscription, kept: Delivery, heir: Subscription, lease_s: float
) -> list[Delivery]:
    """Keep one delivery until the other one's lease has ended and the heir has got it."""
    loop = asyncio.get_running_loop()
    until = loop.time() + lease_s * 4 + bench.limit(5)
    got: list[Delivery] = []
    while not got and loop.time() < until:
        lost = await idle.keep([kept])
        expect(not lost, "keep gave up a delivery within its lease")
        got += await receive_in_time(
            heir, max_messages=5, wait_s=lease_s / 3, slack_s=bench.limit(2)
        )
    expect(got, f"nothing moved, {lease_s * 4:.3g} s after a lease of {lease_s} s began")
    return got


def _check_first(bench: Bench, deliveries: Sequence[Any]) -> None:
    """First deliveries: unflagged, and counted as the first where the backend counts."""
    for delivery in deliveries:
        expect(not delivery.redelivered, "a first delivery is flagged as redelivered")
        if bench.capabilities.level("delivery_count") is Support.NATIVE:
            count = delivery.delivery_count
            expect(count == 1, f"a first delivery has the delivery count {count}")
