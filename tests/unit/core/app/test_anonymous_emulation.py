"""Anonymous subscriptions on a backend that only acknowledges: retries stay in the process."""

from __future__ import annotations

from typing import Any

import pytest

from anymq import App, DeadLetter, Delivery, Release, RetryPolicy
from anymq.events import AppEvent, MessageDropped
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import turns, until


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def app(url: str, clock: FakeClock) -> App:
    """An application on a backend that does nothing but acknowledge."""
    return App(f"{url}?native=none", clock=clock)


async def test_a_retry_waits_in_this_process(app: App, clock: FakeClock) -> None:
    """Not before its delay, counted, and nobody else sees it."""
    attempts: list[int] = []
    others: list[int] = []

    @app.subscriber("t", retry=RetryPolicy(first_delay_s=5, jitter=0))
    async def handle(body: int, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            raise LookupError("again")

    @app.subscriber("t", name="other")
    async def other(body: int) -> None:
        others.append(body)

    async with app:
        await app.publish("t", 1)
        await until(lambda: attempts == [1])
        await clock.advance(4.9)
        assert attempts == [1]
        await clock.advance(0.2)
        await until(lambda: attempts == [1, 2])

    assert others == [1]


@pytest.mark.parametrize("outcome", [DeadLetter("no"), None])
async def test_what_has_no_dead_letters_to_go_to_is_dropped_and_told(
    app: App, events: list[AppEvent], outcome: Any
) -> None:
    """There is no group that could keep it."""

    @app.subscriber("t", retry=RetryPolicy(max_attempts=1))
    async def handle(body: int) -> Any:
        if outcome is None:
            raise LookupError("x")
        return outcome

    async with app:
        await app.publish("t", 1, message_id="m1")
        await until(lambda: MessageDropped("t", None, "m1", "exhausted") in events)


async def test_a_release_comes_again_here(app: App, clock: FakeClock) -> None:
    """Uncounted."""
    attempts: list[int] = []

    @app.subscriber("t")
    async def handle(body: int, delivery: Delivery) -> Release | None:
        attempts.append(delivery.attempt)
        return Release() if len(attempts) == 1 else None

    async with app:
        await app.publish("t", 1)
        await until(lambda: attempts == [1])
        await clock.advance(0)
        assert attempts == [1, 1]


async def test_what_a_pause_takes_from_the_buffer_is_done(app: App) -> None:
    """It has no way back; nothing of it is left in flight."""

    @app.subscriber("t", name="c")
    async def handle(body: int) -> None:
        await turns(5)

    async with app:
        await app.publish_many("t", range(4))
        await turns(2)
        await app.consumers["c"].pause()
        await turns(100)
        assert app.consumers["c"].unsettled() == []
