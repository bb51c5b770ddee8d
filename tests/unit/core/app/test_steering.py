"""Subscribers at run time: paused, resumed, made wider, stopped, cancelled, deprived of leases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anymq import App, Delivery, RetryPolicy
from tests.unit.core.doubles import turns, until


class Work:
    """A handler that waits to be let through."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.cancelled: list[int] = []
        self.attempts: list[int] = []
        self.go = asyncio.Event()

    async def __call__(self, body: int, delivery: Delivery) -> None:
        self.begun.append(body)
        self.attempts.append(delivery.attempt)
        try:
            await self.go.wait()
            self.ended.append(body)
        except asyncio.CancelledError:
            self.cancelled.append(body)
            raise


def subscribe(app: App, **options: Any) -> Work:
    """A subscriber named ``c`` on topic ``t`` in group ``g``."""
    work = Work()

    async def handle(body: int, delivery: Delivery) -> None:
        await work(body, delivery)

    app.subscriber("t", group="g", name="c", **options)(handle)
    return work


async def states(app: App) -> tuple[int | None, int | None, int | None]:
    """Ready, in flight, members of the group."""
    (group,) = await app.management().groups("t")
    return group.ready, group.in_flight, group.members


async def test_a_paused_subscriber_starts_nothing_and_finishes_what_runs(app: App) -> None:
    """What was only buffered goes back to its group, the membership stays."""
    work = subscribe(app)
    async with app:
        consumer = app.consumers["c"]
        await app.publish_many("t", range(3))
        await until(lambda: work.begun == [0])
        await consumer.pause()
        await consumer.pause()
        await turns()
        assert (consumer.is_paused, consumer.is_running) == (True, True)
        assert await states(app) == (2, 1, 1)
        assert (await app.health()).subscribers == {"c": "paused"}
        work.go.set()
        await turns(100)
        assert work.ended == [0]

        await consumer.resume()
        await consumer.resume()
        await until(lambda: sorted(work.ended) == [0, 1, 2])
        assert not consumer.is_paused


async def test_more_handlers_at_once(app: App) -> None:
    """From the moment it is said."""
    work = subscribe(app, prefetch=10)
    async with app:
        await app.publish_many("t", range(5))
        await until(lambda: work.begun == [0])
        app.consumers["c"].set_concurrency(3)
        await until(lambda: work.begun == [0, 1, 2])
        await turns()
        assert len(work.begun) == 3
        assert app.consumers["c"].concurrency == 3
        work.go.set()


async def test_more_handlers_than_the_broker_hands_out_messages(app: App) -> None:
    """Said at once, with the remedy; what was set before still holds."""
    work = subscribe(app, prefetch=2)
    async with app:
        consumer = app.consumers["c"]
        with pytest.raises(ValueError, match=r"'c' began with a prefetch of 2.*prefetch=3 or more"):
            consumer.set_concurrency(3)

        assert consumer.concurrency == 1
        consumer.set_concurrency(2)
        await app.publish_many("t", range(3))
        await until(lambda: work.begun == [0, 1])
        work.go.set()


async def test_fewer_handlers_at_once(app: App) -> None:
    """Running ones are not touched; then the new limit holds."""
    work = subscribe(app, concurrency=3, prefetch=10)
    async with app:
        await app.publish_many("t", range(5))
        await until(lambda: len(work.begun) == 3)
        app.consumers["c"].set_concurrency(1)
        await turns()
        assert work.cancelled == []
        work.go.set()
        await until(lambda: len(work.ended) == 5)
        work.go.clear()
        await app.publish_many("t", range(5, 8))
        await until(lambda: len(work.begun) == 6)
        await turns()
        assert len(work.begun) == 6
        work.go.set()


async def test_no_handler_at_once_is_refused(app: App) -> None:
    """Pausing is what was meant."""
    subscribe(app)
    async with app:
        with pytest.raises(ValueError, match="at least 1"):
            app.consumers["c"].set_concurrency(0)


async def test_stopping_lets_handlers_finish_and_gives_the_rest_back(app: App, url: str) -> None:
    """Their acks count; what had not started is at once with whoever else reads the group."""
    work = subscribe(app)
    await app.start()
    await app.publish_many("t", range(3))
    await until(lambda: work.begun == [0])

    async with asyncio.TaskGroup() as group:
        group.create_task(app.stop(grace_s=5))
        await turns()
        assert work.cancelled == []
        work.go.set()

    other = App(url)
    rest = subscribe(other)
    rest.go.set()
    async with other:
        await until(lambda: sorted(rest.ended) == [1, 2])
        await turns()
    assert (work.ended, rest.attempts) == ([0], [1, 1])


async def test_who_does_not_finish_in_time_is_cancelled_and_that_is_no_failure(
    app: App, url: str
) -> None:
    """No hook, no attempt, no dead letter: the message comes again as it was."""
    work = subscribe(app, retry=RetryPolicy(max_attempts=1))
    hooked: list[BaseException] = []

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append(error)

    await app.start()
    await app.publish("t", 0)
    await until(lambda: work.begun == [0])
    await app.stop(grace_s=0.01)
    assert (work.cancelled, hooked) == ([0], [])

    other = App(url)
    again = subscribe(other)
    again.go.set()
    async with other:
        await until(lambda: again.ended == [0])
        assert await other.dead_letters.entries("t", "g") == []
    assert again.attempts == [1]


async def test_forcing_cancels_at_once(app: App) -> None:
    """Whatever grace was given; the messages go back uncounted."""
    work = subscribe(app)
    await app.start()
    await app.publish("t", 0)
    await until(lambda: work.begun == [0])

    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        group.create_task(app.close(grace_s=3600))
        await turns()
        app.force()

    assert work.cancelled == [0]


async def test_a_handler_that_raises_because_it_was_cancelled_did_not_fail(app: App) -> None:
    """Whatever it makes of the cancellation."""
    hooked: list[BaseException] = []
    entered = asyncio.Event()

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append(error)

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LookupError("interrupted") from None

    await app.start()
    await app.publish("t", 1)
    await entered.wait()
    await app.stop(grace_s=0)

    assert hooked == []
