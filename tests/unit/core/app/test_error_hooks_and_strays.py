"""Who is told of a failure, and failures that are nobody's fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from anymq import App, DeadLetter, Delivery, Retry, RetryPolicy
from anymq.events import AppEvent, HookFailed
from tests.unit.core.app.test_failing_handlers import NEVER_AGAIN, Unprintable
from tests.unit.core.doubles import turns


async def test_error_hooks_hear_every_failed_attempt(app: App) -> None:
    """With the delivery and the error, in the order of their registration."""
    heard: list[tuple[str, int, str]] = []

    @app.on_error
    async def first(delivery: Delivery, error: BaseException) -> None:
        heard.append(("first", delivery.attempt, str(error)))

    @app.on_error
    async def second(delivery: Delivery, error: BaseException) -> None:
        heard.append(("second", delivery.attempt, str(error)))

    @app.subscriber("t", group="g", retry=RetryPolicy(max_attempts=2, immediate=1))
    async def handle(body: int) -> None:
        raise LookupError("x")

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    assert heard == [("first", 1, "x"), ("second", 1, "x"), ("first", 2, "x"), ("second", 2, "x")]


async def test_a_broken_error_hook_is_told_and_the_message_counts_as_failed(
    app: App, events: list[AppEvent]
) -> None:
    """Others hear the failure all the same."""
    heard: list[str] = []

    @app.on_error
    async def broken(delivery: Delivery, error: BaseException) -> None:
        raise KeyError("hook")

    @app.on_error
    async def good(delivery: Delivery, error: BaseException) -> None:
        heard.append(str(error))

    @app.subscriber("t", group="g", retry=NEVER_AGAIN)
    async def handle(body: int) -> None:
        raise LookupError("x")

    async with app.test() as t:
        await app.publish("t", 1, message_id="m1")
        await t.settle()
        assert len(await app.dead_letters.entries("t", "g")) == 1

    assert heard == ["x"]
    (event,) = [event for event in events if isinstance(event, HookFailed)]
    assert (event.message_id, event.error) == ("m1", "KeyError: 'hook'")
    assert "broken" in event.hook


async def test_an_error_that_cannot_be_printed_is_a_failure_like_any(app: App) -> None:
    """Its message is set aside, and the subscriber goes on."""
    handled: list[int] = []

    @app.subscriber("t", group="g", retry=NEVER_AGAIN)
    async def handle(body: int) -> None:
        if body == 1:
            raise Unprintable
        handled.append(body)

    async with app.test() as t:
        await app.publish("t", 1)
        await app.publish("t", 2)
        await t.settle()
        (entry,) = await app.dead_letters.entries("t", "g")

    assert handled == [2]
    assert entry.message.meta["anymq-death-error"].endswith("Unprintable")


@pytest.mark.parametrize(
    "options", [{}, {"ack": "manual"}, {"ack": "before"}, {"batch_size": 1}], ids=str
)
async def test_a_cancellation_from_inside_does_not_end_the_subscriber(
    app: App, options: dict[str, Any]
) -> None:
    """Something the handler awaited was cancelled: a failure of this message, and of no other."""
    handled: list[Any] = []
    hooked: list[BaseException] = []

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        hooked.append(error)

    async def handle(body: list[int]) -> None:
        handled.append(body)
        if len(handled) == 1:
            raise asyncio.CancelledError

    handle.__annotations__["body"] = "list[int]" if "batch_size" in options else "int"
    app.subscriber("t", group="g", retry=RetryPolicy(first_delay_s=1), **options)(handle)

    async with app.test() as t:
        await app.publish("t", 1)
        await turns(50)
        await app.publish("t", 2)
        await t.advance(2)

        assert len(handled) == (2 if options.get("ack") == "before" else 3)
        assert len(hooked) == 1


@pytest.mark.parametrize(
    "outcome", [lambda: Retry("soon"), lambda: Retry(-1), lambda: DeadLetter(7)]
)
async def test_an_outcome_that_cannot_be_is_a_failure_of_its_handler(
    app: App, outcome: Callable[[], Any]
) -> None:
    """It raises where it is made, and the subscriber goes on."""
    handled: list[int] = []

    @app.subscriber("t", group="g", order="key", retry=NEVER_AGAIN)
    async def handle(body: int) -> Any:
        handled.append(body)
        return outcome() if body == 1 else None

    async with app.test() as t:
        await app.publish("t", 1, key="k")
        await app.publish("t", 2, key="k")
        await t.settle()

        assert handled == [1, 2]
        assert len(await app.dead_letters.entries("t", "g")) == 1
