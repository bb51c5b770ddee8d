"""What settling answers: the first word counts, later ones are told apart and harm nobody."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.events import SettlementLost
from anymq.message import Delivery
from anymq.outcome import ACK, RELEASE, Settled, Settlement, Stale
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.probe import is_settled, pending

__all__: list[str] = []


@check("ACK-09", "double_ack_is_harmless")
async def double_ack(bench: Bench) -> None:
    """The second ack is told apart (False; Stale) and changes nothing."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    answers: list[bool] = []

    async def twice(value: Any, delivery: Delivery) -> None:
        answers.append(await delivery.ack())
        answers.append(await delivery.ack())

    collector = bench.collect(app, topic, group="g", ack="manual", behaviour=twice)
    await bench.started(app)
    await bench.publish(app, topic, 1, 2)
    await bench.exactly(collector, [1, 2])
    expect(answers == [True, False] * 2, f"ack() twice answered {answers}")
    async with bench.broker() as broker:
        other = bench.topic()
        await bench.declare(broker, other, "g")
        subscription = await bench.subscribe(broker, other, "g")
        await broker.send([bench.message(other), bench.message(other)], timeout_s=5)
        one, two = await bench.take(subscription, 2)
        first = await bench.settle(subscription, one)
        again = await bench.settle(subscription, one)
        expect(isinstance(first[0], Settled), f"the first ack answered {first[0]}")
        expect(isinstance(again[0], Stale), f"the second ack answered {again[0]}, not Stale")
        rest = await bench.settle(subscription, two)
        expect(isinstance(rest[0], Settled), "the double ack spoiled another delivery")


@check("ACK-10", "ack_after_nack_is_refused")
async def ack_after_nack(bench: Bench) -> None:
    """The first settlement wins; the second answers False, and the worker goes on."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    answers: list[bool] = []

    async def both(value: Any, delivery: Delivery) -> None:
        if not answers:
            answers.append(await delivery.release())
            answers.append(await delivery.ack())
        else:
            await delivery.ack()

    collector = bench.collect(app, topic, group="g", ack="manual", behaviour=both)
    await bench.started(app)
    await bench.publish(app, topic, 1)
    await bench.received(collector, 2)
    await bench.quiet()
    expect(answers == [True, False], f"release, then ack answered {answers}")
    expect(len(collector.seen) == 2, "the release did not win over the ack that followed")
    async with bench.broker() as broker:
        if "release" not in bench.capabilities.handles:
            return
        other = bench.topic()
        await bench.declare(broker, other, "g")
        subscription = await bench.subscribe(broker, other, "g")
        await broker.send([bench.message(other)], timeout_s=5)
        delivery = (await bench.take(subscription, 1))[0]
        await bench.settle(subscription, delivery, outcome=RELEASE)
        late = await bench.settle(subscription, delivery, outcome=ACK)
        expect(isinstance(late[0], Stale), f"ack after release answered {late[0]}, not Stale")
        await bench.settle(subscription, (await bench.take(subscription, 1))[0])


@check("ACK-11", "settle_after_reconnect_is_stale")
async def stale_settlement(bench: Bench) -> None:
    """Settling with the token of a closed subscription harms nobody; the message comes again."""
    topic = bench.topic()
    async with bench.broker() as broker:
        await bench.declare(broker, topic, "g")
        subscription = await bench.subscribe(broker, topic, "g")
        await broker.send([bench.message(topic)], timeout_s=5)
        delivery = (await bench.take(subscription, 1))[0]
        await subscription.aclose(timeout_s=5)
        fresh = await bench.subscribe(broker, topic, "g")
        again = (await bench.take(fresh, 1))[0]
        expect(again.id == delivery.id, "another message came in place of the unsettled one")
        results = await fresh.settle([Settlement(delivery, ACK)], timeout_s=5)
        expect(not isinstance(results[0], Settled), "an old token settled a new delivery")
        settled = await bench.settle(fresh, again)
        expect(isinstance(settled[0], Settled), f"the new token answered {settled[0]}")


@check("ACK-12", "settle_from_another_task")
async def from_another_task(bench: Bench) -> None:
    """A delivery may be acknowledged by a task that is not its handler."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    handed: asyncio.Queue[Delivery] = asyncio.Queue(100)

    async def hand_over(value: Any, delivery: Delivery) -> None:
        await handed.put(delivery)

    collector = bench.collect(app, topic, group="g", ack="manual", behaviour=hand_over)
    await bench.started(app)
    await bench.publish(app, topic, *range(6))

    async def settle_some() -> list[bool]:
        return [await (await handed.get()).ack() for _ in range(3)]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(settle_some()) for _ in range(2)]
    expect(all(all(task.result()) for task in tasks), "an ack from another task was refused")
    await bench.wait_async(lambda: is_settled(bench, app, topic), "all to be acknowledged")
    await bench.exactly(collector, range(6))


@check("ACK-13", "ack_does_not_block")
async def ack_does_not_block(bench: Bench) -> None:
    """ack() returns at once; what goes wrong later is told once, by an event."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    took: list[float] = []
    held: list[Delivery] = []

    async def ack(value: Any, delivery: Delivery) -> None:
        if value == "lost":
            held.append(delivery)
            return
        began = asyncio.get_running_loop().time()
        await delivery.ack()
        took.append(asyncio.get_running_loop().time() - began)

    collector = bench.collect(app, topic, group="g", ack="manual", behaviour=ack)
    await bench.started(app)
    await bench.publish(app, topic, *range(5), "lost")
    await bench.received(collector, 6)
    expect(max(took) < bench.limit(0.1), f"ack() took {max(took):.3f} s")
    await bench.crash(app)
    await held[0].ack()

    def lost() -> int:  # other acks may have been on their way when it crashed
        told = [event for event in bench.events if isinstance(event, SettlementLost)]
        return sum(event.message_id == held[0].id for event in told)

    what = "SettlementLost for an ack that could not be carried out"
    await bench.wait(lambda: lost() > 0, what, 15)
    await bench.quiet()
    expect(lost() == 1, f"one lost settlement was told {lost()} times")


@check("ACK-14", "manual_pre_post_none_strategies")
async def ack_policies(bench: Bench) -> None:
    """before: gone while the handler runs. after: gone once it returned. manual: when said."""
    app = await bench.app()
    topics = {policy: app.topic(bench.topic(policy)) for policy in ("before", "after", "manual")}
    go = asyncio.Event()
    deliveries: dict[str, Delivery] = {}

    async def hold(value: str, delivery: Delivery) -> None:
        deliveries[value] = delivery
        await go.wait()

    for policy, topic in topics.items():
        bench.collect(app, topic, group="g", ack=policy, behaviour=hold)
    await bench.started(app)
    for policy, topic in topics.items():
        await bench.publish(app, topic, policy)
    await bench.wait(lambda: len(deliveries) == 3, "three handlers to run")
    await bench.wait_async(
        lambda: is_settled(bench, app, topics["before"]), "before to be acknowledged first"
    )
    for policy in ("after", "manual"):
        expect(await pending(bench, app, topics[policy]) > 0, f"{policy}: acknowledged too early")
    go.set()
    await bench.wait_async(
        lambda: is_settled(bench, app, topics["after"]), "after to be acknowledged at its return"
    )
    await bench.quiet()
    still = await pending(bench, app, topics["manual"])
    expect(still > 0, "manual: acknowledged, though nobody said so")
    expect(await deliveries["manual"].ack(), "manual: ack() after the handler returned said False")
    await bench.wait_async(
        lambda: is_settled(bench, app, topics["manual"]), "manual to be acknowledged when said"
    )


@check("ACK-15", "message_scope_is_cancelled_after_settle_or_close")
async def scope_ends(bench: Bench) -> None:
    """A delivery's scope ends when it is settled, and when the application stops."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    waits: list[asyncio.Task[None]] = []
    deliveries: list[Delivery] = []

    async with asyncio.TaskGroup() as group:

        async def watch(value: Any, delivery: Delivery) -> None:
            deliveries.append(delivery)
            waits.append(group.create_task(delivery.wait_ended()))

        collector = bench.collect(app, topic, group="g", ack="manual", behaviour=watch)
        await bench.started(app)
        await bench.publish(app, topic, "settled", "open")
        await bench.received(collector, 2)
        expect(not deliveries[0].is_ended, "the scope ended before it was settled")
        await deliveries[0].ack()
        await bench.wait(waits[0].done, "the scope to end with the settlement")
        expect(not deliveries[1].is_ended, "one settlement ended another delivery's scope")
        await app.stop(grace_s=0.1)
        await bench.wait(waits[1].done, "the scope to end with the application")
    expect(not await deliveries[1].ack(), "ack() after the end of the scope said True")
