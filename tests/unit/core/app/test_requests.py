"""Request and reply."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from anymq import (
    Ack,
    App,
    DeadLetter,
    DecodeError,
    Delivery,
    PublishRejected,
    RequestFailed,
    RequestTimeout,
    Retry,
    RetryPolicy,
)
from anymq.events import AppEvent, HookFailed, ReplyDropped
from anymq.memory.broker import MemoryBroker
from tests.unit.core.doubles import turns, until


class Total(BaseModel):
    amount: int


async def test_a_reply_comes_to_who_asked(app: App) -> None:
    """Each its own, however many ask at once; typed where a type is given."""

    @app.subscriber("sum", group="g", concurrency=5)
    async def handle(body: list[int]) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"amount": sum(body)}

    async with app:
        answers = await asyncio.gather(*(app.request("sum", [n, n]) for n in range(20)))
        total = await app.request("sum", [4], reply_type=Total)

    assert answers == [{"amount": 2 * n} for n in range(20)]
    assert total == Total(amount=4)


async def test_the_end_of_the_application_is_no_failure(app: App, events: list[AppEvent]) -> None:
    """Who listens for replies is ended with it, and nobody is told of a crash."""

    @app.subscriber("sum", group="g")
    async def handle(body: int) -> int:
        return body

    async with app:
        assert await app.request("sum", 1) == 1

    assert not [event for event in events if isinstance(event, HookFailed)]


async def test_another_application_may_answer(app: App, url: str) -> None:
    """The reply address is known wherever the message goes."""
    other = App(url)

    @other.subscriber("t", group="g")
    async def handle(body: str, delivery: Delivery) -> str:
        assert delivery.reply_to is not None
        return body.upper()

    async with app, other:
        assert await app.request("t", "x") == "X"


@pytest.mark.parametrize(("returned", "reply"), [(None, None), (0, 0), ("", "")])
async def test_every_value_is_a_reply(app: App, returned: Any, reply: Any) -> None:
    """None as well."""

    @app.subscriber("t", group="g")
    async def handle(body: int) -> Any:
        return returned

    async with app:
        assert await app.request("t", 1) == reply


@pytest.mark.parametrize("outcome", [Ack(), Retry(60)])
async def test_an_outcome_is_no_reply(app: App, outcome: Any) -> None:
    """Whoever asked waits until its time is up."""

    @app.subscriber("t", group="g")
    async def handle(body: int) -> Any:
        return outcome

    async with app:
        with pytest.raises(RequestTimeout, match=r"no reply from 't' within 0\.05 s"):
            await app.request("t", 1, timeout_s=0.05)


FAST = RetryPolicy(max_attempts=3, first_delay_s=0.01, factor=1, jitter=0)


@pytest.mark.parametrize("timeout_s", [None, 5.0])
async def test_the_last_failure_is_the_reply(
    app: App, timeout_s: float | None, events: list[AppEvent]
) -> None:
    """Type and text as data, once, after the last attempt; the message is a dead letter as ever."""
    attempts: list[int] = []

    @app.subscriber("t", group="g", retry=FAST, timeout_s=timeout_s)
    async def handle(body: int, delivery: Delivery) -> int:
        attempts.append(delivery.attempt)
        raise LookupError("no such account")

    async with app:
        with pytest.raises(RequestFailed) as caught:
            await app.request("t", 1)
        await turns(100)  # the reply may come before the dead letter is stored
        dead = await app.dead_letters.entries("t", "g")

    error = caught.value
    assert (error.error_type, error.message) == ("LookupError", "no such account")
    assert (len(dead), attempts) == (1, [1, 2, 3])
    assert not [event for event in events if isinstance(event, ReplyDropped)]


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(DeadLetter("too old"), "DeadLetter"), (PublishRejected("full", "x"), "full"), (Retry(0), "")],
)
async def test_what_ends_a_request_at_once_is_told(app: App, raised: Any, kind: str) -> None:
    """An outcome that sets it aside, and an error that is not repeated; a retry is neither."""

    @app.subscriber(
        "t", group="g", retry=RetryPolicy(max_attempts=2, first_delay_s=0.01, on=(KeyError,))
    )
    async def handle(body: int) -> Any:
        if isinstance(raised, Exception):
            raise raised
        return raised

    async with app:
        with pytest.raises(RequestFailed) as caught:
            await app.request("t", 1)

    assert caught.value.error_type == (kind or "Retry")


async def test_a_body_that_cannot_be_read_is_told(app: App) -> None:
    """The request is a dead letter, and its sender need not wait."""

    @app.subscriber("t", group="g")
    async def handle(body: Total) -> int:
        return body.amount

    async with app:
        with pytest.raises(RequestFailed) as caught:
            await app.request("t", "secret")

    assert caught.value.error_type == "decode"
    assert "secret" not in str(caught.value)


async def test_a_subscriber_that_stops_answers_nothing(app: App) -> None:
    """The request is not given up: it waits for another one."""

    @app.subscriber("t", group="g", retry=RetryPolicy(max_attempts=1, on_exhausted="stop"))
    async def handle(body: int) -> int:
        raise LookupError("on purpose")

    async with app:
        with pytest.raises(RequestTimeout):
            await app.request("t", 1, timeout_s=0.1)


async def test_a_failed_handler_replies_when_it_succeeds(app: App) -> None:
    """The retry carries the reply address."""

    @app.subscriber("t", group="g", retry=RetryPolicy(immediate=1))
    async def handle(body: int, delivery: Delivery) -> int:
        if delivery.attempt == 1:
            raise LookupError("not yet")
        return delivery.attempt

    async with app:
        assert await app.request("t", 1) == 2


async def test_a_reply_that_comes_too_late_is_dropped_and_counted(
    app: App, events: list[AppEvent]
) -> None:
    """It reaches no later request, and leaves nothing unsettled."""
    gate = asyncio.Event()

    @app.subscriber("t", group="g", concurrency=2)
    async def handle(body: int) -> int:
        if body == 1:
            await gate.wait()
        return body

    async with app:
        with pytest.raises(TimeoutError):
            await app.request("t", 1, timeout_s=0.05)
        gate.set()
        await until(lambda: app._lifecycle.requests.late == 1)
        assert await app.request("t", 2) == 2
        assert app._lifecycle.requests._waiting == {}
    assert [type(event) for event in events].count(ReplyDropped) == 1


async def test_a_reply_of_another_form_is_told(app: App) -> None:
    """To who asked; the text does not hold the reply."""

    @app.subscriber("t", group="g")
    async def handle(body: int) -> str:
        return "secret"

    async with app:
        with pytest.raises(DecodeError) as caught:
            await app.request("t", 1, reply_type=Total)
    assert "secret" not in str(caught.value)


async def test_a_request_that_cannot_be_sent_raises_at_once(app: App) -> None:
    """As publish does."""
    async with app:
        with pytest.raises(PublishRejected):
            await app.request("unknown", 1)


async def test_who_asked_and_is_gone_does_not_fail_the_handler(app: App, url: str) -> None:
    """Its address is gone with it; the message is done."""
    other = App(url)
    seen: list[int] = []

    @other.subscriber("t", group="g")
    async def handle(body: int, delivery: Delivery) -> int:
        seen.append(delivery.attempt)
        return body

    await app.start()
    async with other:
        await other.publish("t", 1, reply_to="anymq.reply.nobody")
        await until(lambda: seen == [1])
        await turns(50)
        (group,) = await other.management().groups("t")
    await app.close()

    assert (group.in_flight, group.delayed, group.dead) == (0, 0, 0)


async def test_a_handler_that_publishes_its_result_also_replies(app: App) -> None:
    """Both were asked for."""
    app.topic("out")

    @app.subscriber("t", group="g")
    @app.publisher("out")
    async def handle(body: int) -> int:
        return body + 1

    async with app.test() as t:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(app.request("t", 1))
            await t.settle()
        sent = [message.body for message in t.published if message.topic == "out"]

    assert (asking.result(), sent) == (2, [b"2"])


async def test_listening_is_taken_up_again_after_it_broke(app: App, events: list[AppEvent]) -> None:
    """Loudly: the event tells; the next request gets its reply."""

    @app.subscriber("t", group="g")
    async def handle(body: int) -> int:
        return body

    async with app:
        assert await app.request("t", 1) == 1
        broker: Any = app.native(MemoryBroker)
        await broker._subscriptions[-1].aclose(timeout_s=1)
        await until(lambda: any(isinstance(event, HookFailed) for event in events))
        assert await app.request("t", 2) == 2
