"""What becomes of messages whose handler fails."""

from __future__ import annotations

import asyncio

import pytest

from anymq import AccessDenied, App, DeadLetter, Delivery, Retry, RetryPolicy
from anymq.events import AppEvent, ConsumerStopped, MessageDropped
from tests.unit.core.doubles import turns, until

NEVER_AGAIN = RetryPolicy(max_attempts=1)


class Unprintable(Exception):
    """An error that fails when somebody looks at it."""

    def __str__(self) -> str:
        raise LookupError("no text")


async def test_a_failure_is_retried_after_its_delay(app: App) -> None:
    """Not before; each attempt is counted; the last success ends it."""
    attempts: list[int] = []

    @app.subscriber("t", group="g", retry=RetryPolicy(first_delay_s=10, jitter=0))
    async def handle(body: int, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt < 3:
            raise LookupError("not yet")

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        assert attempts == [1]
        await t.advance(9.9)
        assert attempts == [1]
        await t.advance(0.2)
        await t.settle()
        assert attempts == [1, 2]
        await t.advance(20)
        await t.settle()
        assert attempts == [1, 2, 3]
        await t.advance(1000)
        assert attempts == [1, 2, 3]


async def test_immediate_attempts_do_not_go_back_to_the_backend(app: App) -> None:
    """They follow in place, each with fresh headers and its own number."""
    seen: list[tuple[int, dict[str, str], bool]] = []

    @app.subscriber("t", group="g", retry=RetryPolicy(immediate=2, first_delay_s=10))
    async def handle(body: int, delivery: Delivery) -> None:
        seen.append((delivery.attempt, dict(delivery.headers), delivery.redelivered))
        delivery.headers["scribbled"] = "x"
        delivery.items["kept"] = "x"
        if len(seen) < 3:
            raise LookupError("again")

    async with app.test() as t:
        await app.publish("t", 1, headers={"a": "b"})
        await t.settle()

    assert seen == [(1, {"a": "b"}, False), (2, {"a": "b"}, True), (3, {"a": "b"}, True)]


async def test_after_a_delay_immediate_attempts_begin_anew(app: App) -> None:
    """Attempt goes on counting: 1, 2 at once, then 3, 4 at once, and so on."""
    attempts: list[int] = []

    @app.subscriber("t", group="g", retry=RetryPolicy(immediate=1, first_delay_s=10, jitter=0))
    async def handle(body: int, delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        raise LookupError("again")

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        assert attempts == [1, 2]
        await t.advance(10)
        await t.settle()
        assert attempts == [1, 2, 3, 4]
        await t.advance(20)
        await t.settle()

        assert attempts == [1, 2, 3, 4, 5]
        assert len(await app.dead_letters.entries("t", "g")) == 1


async def test_an_exhausted_message_is_set_aside_with_its_story(app: App) -> None:
    """Original bytes and headers; why, where from, how often, and when."""

    @app.subscriber("t", group="g", retry=RetryPolicy(max_attempts=2, first_delay_s=1, jitter=0))
    async def handle(body: int) -> None:
        raise LookupError("no such thing")

    async with app.test() as t:
        await app.publish("t", 7, headers={"a": "b"}, key="k", message_id="m1")
        await t.settle()
        await t.advance(1)
        await t.settle()
        (entry,) = await app.dead_letters.entries("t", "g")

    message, meta = entry.message, entry.message.meta
    assert (entry.id, message.body, message.headers, message.key) == ("m1", b"7", {"a": "b"}, "k")
    assert meta["anymq-death-reason"] == "exhausted: LookupError"
    assert meta["anymq-death-error"] == "builtins.LookupError"
    assert meta["anymq-death-message"] == "no such thing"
    assert meta["anymq-death-topic"] == "t"
    assert meta["anymq-death-group"] == "g"
    assert meta["anymq-death-attempts"] == "2"
    assert float(meta["anymq-death-at"]) - float(meta["anymq-first-failed-at"]) == pytest.approx(1)
    assert "raise LookupError" in meta["anymq-death-stack"]


async def test_an_exhausted_message_may_be_dropped(app: App, events: list[AppEvent]) -> None:
    """Only where the policy says so, and it is told."""

    @app.subscriber("t", group="g", retry=RetryPolicy(max_attempts=1, on_exhausted="drop"))
    async def handle(body: int) -> None:
        raise LookupError("x")

    async with app.test() as t:
        await app.publish("t", 1, message_id="m1")
        await t.settle()
        assert await app.dead_letters.entries("t", "g") == []

    assert MessageDropped("t", "g", "m1", "exhausted") in events


async def test_an_exhausted_message_may_stop_its_subscriber(
    app: App, events: list[AppEvent]
) -> None:
    """The message goes back uncounted, and health is down for good."""

    @app.subscriber("t", group="g", retry=RetryPolicy(max_attempts=1, on_exhausted="stop"))
    async def handle(body: int) -> None:
        raise LookupError("x")

    async with app.test() as t:
        await app.publish("t", 1, message_id="m1")
        await until(lambda: any(isinstance(event, ConsumerStopped) for event in events))
        await turns(100)
        (group,) = await t.management().groups("t")
        health = await app.health()

    assert (group.ready, group.dead, group.members) == (1, 0, 0)
    assert not health.ready
    assert health.subscribers["handle"] == "LookupError: x"


async def test_a_fatal_error_stops_the_subscriber_at_once(app: App, events: list[AppEvent]) -> None:
    """Credentials do not get better by trying again; ``wait_failed`` tells whoever waits."""

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None:
        raise AccessDenied("wrong password")

    async with app.test() as t:
        await app.publish("t", 1)
        error = await asyncio.wait_for(app.wait_failed(), 5)
        await turns(100)
        (group,) = await t.management().groups("t")

    assert "wrong password" in str(error)
    assert ConsumerStopped("handle", "AccessDenied: wrong password") in events
    assert (group.ready, group.dead) == (1, 0)


async def test_only_what_is_named_is_retried(app: App) -> None:
    """With ``on``, everything else is set aside at attempt 1."""

    @app.subscriber("t", group="g", retry=RetryPolicy(on=(KeyError,)))
    async def handle(body: int) -> None:
        raise ValueError("not worth it")

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        (entry,) = await app.dead_letters.entries("t", "g")

    assert entry.message.meta["anymq-death-reason"] == "ValueError"


@pytest.mark.parametrize(
    ("outcome", "again_after"), [(Retry(5.0), 5.0), (Retry(), 1.0), (Retry(0.0), 0.0)]
)
async def test_a_handler_may_ask_for_a_retry(app: App, outcome: Retry, again_after: float) -> None:
    """After its own delay or the policy's; counted as a failure."""
    attempts: list[int] = []

    @app.subscriber("t", group="g", retry=RetryPolicy(first_delay_s=1, jitter=0))
    async def handle(body: int, delivery: Delivery) -> Retry | None:
        attempts.append(delivery.attempt)
        return outcome if delivery.attempt == 1 else None

    async with app.test() as t:
        await app.publish("t", 1)
        if again_after:
            await t.settle()
            await t.advance(again_after - 0.1)
            assert attempts == [1]
        await t.advance(0.2)
        await t.settle()

    assert attempts == [1, 2]


async def test_a_handler_may_set_its_message_aside(app: App) -> None:
    """At once, with the reason it gives."""

    @app.subscriber("t", group="g")
    async def handle(body: int) -> DeadLetter:
        return DeadLetter("wrong shop")

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        (entry,) = await app.dead_letters.entries("t", "g")

    assert entry.message.meta["anymq-death-reason"] == "wrong shop"
    assert "anymq-death-error" not in entry.message.meta
