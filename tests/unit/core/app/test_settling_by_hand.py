"""``ack="manual"`` and ``ack="before"``: who settles, when, and what is left at the end."""

from __future__ import annotations

import asyncio

import pytest

from anymq import App, Delivery, InvalidState, RetryPolicy
from tests.unit.core.doubles import turns, until


async def in_flight(app: App) -> int | None:
    """What the group has out."""
    (group,) = await app.management().groups("t")
    return group.in_flight


async def test_a_delivery_may_be_settled_after_its_handler_returned(app: App) -> None:
    """It stays with us until somebody does, and its place is taken."""
    kept: list[Delivery] = []

    @app.subscriber("t", group="g", ack="manual", prefetch=1)
    async def handle(body: int, delivery: Delivery) -> None:
        kept.append(delivery)

    async with app:
        await app.publish_many("t", range(2))
        await until(lambda: len(kept) == 1)
        await turns(100)
        assert (len(kept), await in_flight(app)) == (1, 1)
        assert not kept[0].is_ended
        assert await kept[0].ack()
        assert kept[0].is_ended
        await until(lambda: len(kept) == 2)
        assert await kept[1].ack()


async def test_the_first_settlement_wins(app: App) -> None:
    """Every later one is told that it came too late."""
    answers: list[bool] = []

    @app.subscriber("t", group="g", ack="manual")
    async def handle(body: int, delivery: Delivery) -> None:
        answers.extend([await delivery.ack(), await delivery.ack(), await delivery.release()])

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        assert await in_flight(app) == 0

    assert answers == [True, False, False]


async def test_waiting_for_the_end_of_a_delivery(app: App) -> None:
    """Whoever works on it beside the handler hears when it is settled."""
    kept: list[Delivery] = []

    @app.subscriber("t", group="g", ack="manual")
    async def handle(body: int, delivery: Delivery) -> None:
        kept.append(delivery)

    async with app, asyncio.TaskGroup() as group:
        await app.publish("t", 1)
        await until(lambda: kept)
        waiting = group.create_task(kept[0].wait_ended())
        await turns()
        assert not waiting.done()
        await kept[0].ack()
        await until(waiting.done)
        await kept[0].wait_ended()


async def test_retry_by_hand_is_a_failure_with_its_delay(app: App) -> None:
    """Counted, and not before its time."""
    attempts: list[int] = []

    @app.subscriber("t", group="g", ack="manual")
    async def handle(body: int, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        await (delivery.retry(5.0) if delivery.attempt == 1 else delivery.ack())

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        await t.advance(4.9)
        assert attempts == [1]
        await t.advance(0.2)
        await t.settle()

    assert attempts == [1, 2]


async def test_release_by_hand_is_none(app: App) -> None:
    """It comes again at once, with the same attempt."""
    attempts: list[int] = []

    @app.subscriber("t", group="g", ack="manual")
    async def handle(body: int, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        await (delivery.release() if len(attempts) == 1 else delivery.ack())

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    assert attempts == [1, 1]


async def test_a_delivery_may_be_set_aside_by_hand(app: App) -> None:
    """With the reason given."""

    @app.subscriber("t", group="g", ack="manual")
    async def handle(body: int, delivery: Delivery) -> None:
        await delivery.dead_letter("unwanted")

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        (entry,) = await app.dead_letters.entries("t", "g")

    assert entry.message.meta["anymq-death-reason"] == "unwanted"


async def test_a_failure_before_settling_counts_and_one_after_does_not(app: App) -> None:
    """Whoever has settled is done; the error is still told."""
    hooked: list[str] = []
    attempts: list[int] = []

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append(str(error))

    @app.subscriber("t", group="g", ack="manual", retry=RetryPolicy(immediate=1))
    async def handle(body: int, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 2:
            await delivery.ack()
        raise LookupError(f"attempt {delivery.attempt}")

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        await t.advance(1000)

    assert attempts == [1, 2]
    assert hooked == ["attempt 1", "attempt 2"]


async def test_what_nobody_settled_goes_back_at_the_end(app: App, url: str) -> None:
    """Uncounted, to whoever reads the group next; its scope has ended."""
    kept: list[Delivery] = []
    again: list[int] = []

    @app.subscriber("t", group="g", ack="manual")
    async def handle(body: int, delivery: Delivery) -> None:
        kept.append(delivery)

    async with app:
        await app.publish("t", 1)
        await until(lambda: kept)
    assert kept[0].is_ended
    assert not await kept[0].ack()

    other = App(url)

    @other.subscriber("t", group="g")
    async def handle_again(body: int, delivery: Delivery) -> None:
        again.append(delivery.attempt)

    async with other:
        await until(lambda: again == [1])


async def test_a_lost_delivery_ends_while_it_waits_to_be_settled(app: App) -> None:
    """Settling it is no longer possible, and its place is free."""
    kept: list[Delivery] = []

    @app.subscriber("t", group="g", name="c", ack="manual", prefetch=1)
    async def handle(body: int, delivery: Delivery) -> None:
        kept.append(delivery)

    async with app:
        await app.publish("t", 1)
        await until(lambda: len(kept) == 1)
        await turns()
        app.consumers["c"]._lost([kept[0]])
        assert kept[0].is_ended
        assert not await kept[0].ack()
        assert app.consumers["c"].unsettled() == []


async def test_settling_by_hand_is_refused_where_core_settles(app: App) -> None:
    """The text says what to do instead."""
    errors: list[Exception] = []

    @app.subscriber("t", group="g")
    async def handle(body: int, delivery: Delivery) -> None:
        with pytest.raises(InvalidState, match="return an Outcome") as caught:
            await delivery.ack()
        errors.append(caught.value)

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    assert len(errors) == 1


async def test_a_delivery_outside_a_handler_cannot_publish_or_settle() -> None:
    """There is nobody to do it for it."""
    from tests.unit.core.doubles import a_delivery

    delivery = a_delivery()
    for call in (delivery.ack(), delivery.publish("t", 1), delivery.wait_ended()):
        with pytest.raises(InvalidState, match="not in a handler"):
            await call


async def test_at_most_once_is_acknowledged_before_its_handler(app: App) -> None:
    """Whatever it does then, the message does not come again; a failure is told."""
    seen: list[int | None] = []
    hooked: list[str] = []

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append(str(error))

    @app.subscriber("t", group="g", ack="before")
    async def handle(body: int) -> None:
        seen.append(await in_flight(app))
        raise LookupError("too bad")

    async with app.test() as t:
        await app.publish("t", 1)
        await until(lambda: hooked)
        await t.advance(1000)
        assert await app.dead_letters.entries("t", "g") == []

    assert (seen, hooked) == ([0], ["too bad"])


async def test_at_most_once_is_not_given_back_when_it_is_cancelled(app: App, url: str) -> None:
    """It was acknowledged: a second delivery would be twice."""
    seen: list[int] = []

    @app.subscriber("t", group="g", ack="before")
    async def handle(body: int) -> None:
        seen.append(body)
        await asyncio.Event().wait()

    await app.start()
    await app.publish("t", 1)
    await until(lambda: seen == [1])
    await app.close(grace_s=0)

    other = App(url)

    @other.subscriber("t", group="g")
    async def handle_again(body: int) -> None:
        seen.append(body)

    async with other:
        await turns(100)
    assert seen == [1]
