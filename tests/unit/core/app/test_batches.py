"""Batch handlers: every member has an outcome of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from anymq import (
    Ack,
    App,
    BatchFailed,
    DeadLetter,
    Delivery,
    Release,
    Retry,
    RetryPolicy,
)
from tests.unit.core.doubles import until

POLICY = RetryPolicy(max_attempts=2, first_delay_s=10, jitter=0)
Behaviour = Callable[[list[int], list[Delivery]], Any]


def collect(app: App, behaviour: Behaviour | None = None, **options: Any) -> list[list[int]]:
    """A batch subscriber whose calls are recorded."""
    calls: list[list[int]] = []
    given: dict[str, Any] = {"batch_size": 3, "batch_wait_s": 0.5, "retry": POLICY, **options}

    @app.subscriber("t", group="g", name="batch", **given)
    async def handle(bodies: list[int], deliveries: list[Delivery]) -> Any:
        assert [int(delivery.body) for delivery in deliveries] == bodies
        calls.append(bodies)
        return None if behaviour is None else behaviour(bodies, deliveries)

    return calls


async def test_a_batch_is_as_large_as_what_is_there(app: App) -> None:
    """Up to its size at once; the rest when its wait is over."""
    calls = collect(app)

    async with app.test() as t:
        await app.publish_many("t", range(4))
        await until(lambda: calls)
        assert calls == [[0, 1, 2]]
        await t.advance(0.6)
        await t.settle()

    assert calls == [[0, 1, 2], [3]]


async def test_a_batch_waits_for_more_no_longer_than_its_time(app: App) -> None:
    """What comes meanwhile rides along."""
    calls = collect(app, batch_wait_s=1.0)

    async with app.test() as t:
        await app.publish("t", 1)
        await t.advance(0.5)
        await app.publish("t", 2)
        await t.advance(0.4)
        assert calls == []
        await t.advance(0.2)
        await t.settle()

    assert calls == [[1, 2]]


async def test_none_acknowledges_all(app: App) -> None:
    """Nothing of it comes again."""
    calls = collect(app)

    async with app.test() as t:
        await app.publish_many("t", range(3))
        await t.settle()
        await t.advance(100)

    assert calls == [[0, 1, 2]]


async def test_a_list_gives_each_member_its_outcome(app: App) -> None:
    """Acked, retried after its delay, and set aside."""
    calls = collect(
        app, lambda bodies, _: [Ack(), Retry(5.0), DeadLetter("bad")] if len(bodies) == 3 else None
    )

    async with app.test() as t:
        await app.publish_many("t", range(3))
        await t.settle()
        await t.advance(5)
        await t.settle()
        (entry,) = await app.dead_letters.entries("t", "g")

    assert calls == [[0, 1, 2], [1]]
    assert entry.message.body == b"2"


async def test_a_released_member_comes_again_uncounted(app: App) -> None:
    """At once, and not as a failure."""
    attempts: list[int] = []

    def behaviour(bodies: list[int], deliveries: list[Delivery]) -> Any:
        attempts.extend(delivery.attempt for delivery in deliveries)
        return [Release()] if len(attempts) == 1 else None

    collect(app, behaviour, batch_wait_s=0.0)

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    assert attempts == [1, 1]


async def test_members_that_failed_fail_alone(app: App) -> None:
    """``BatchFailed`` names them; the rest is acknowledged; they come again singly."""

    def behaviour(bodies: list[int], _: list[Delivery]) -> None:
        if len(bodies) > 1:
            raise BatchFailed({0: LookupError("x"), 2: ValueError("y")})

    calls = collect(app, behaviour)

    async with app.test() as t:
        await app.publish_many("t", range(3))
        await t.settle()
        await t.advance(10)
        await t.settle()

    assert calls == [[0, 1, 2], [0], [2]]


async def test_any_other_error_fails_all_and_each_comes_again_singly(app: App) -> None:
    """One poison never sinks its neighbours."""

    def behaviour(bodies: list[int], _: list[Delivery]) -> None:
        if 1 in bodies:
            raise LookupError("poison")

    calls = collect(app, behaviour)

    async with app.test() as t:
        await app.publish_many("t", range(3))
        await t.settle()
        await t.advance(10)
        await t.settle()
        (entry,) = await app.dead_letters.entries("t", "g")

    assert calls == [[0, 1, 2], [0], [1], [2]]
    assert entry.message.body == b"1"


async def test_immediate_attempts_of_a_batch_come_singly_too(app: App) -> None:
    """In place, before anything else, without going back to the backend."""

    def behaviour(bodies: list[int], _: list[Delivery]) -> None:
        if len(bodies) > 1:
            raise LookupError("not together")

    calls = collect(app, behaviour, retry=RetryPolicy(immediate=1, first_delay_s=10))

    async with app.test() as t:
        await app.publish_many("t", range(3))
        await t.settle()

    assert calls[0] == [0, 1, 2]
    assert sorted(calls[1:]) == [[0], [1], [2]]


@pytest.mark.parametrize("result", [[Ack()], "done", [Ack()] * 4, {}])
async def test_a_result_of_another_length_is_a_failure(app: App, result: Any) -> None:
    """Nobody could tell whose outcome is whose."""
    errors: list[BaseException] = []

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        errors.append(error)

    collect(app, lambda bodies, _: result, retry=RetryPolicy(max_attempts=1))

    async with app.test() as t:
        await app.publish_many("t", range(3))
        await t.settle()
        assert len(await app.dead_letters.entries("t", "g")) == 3

    assert all("list of 3 outcomes" in str(error) for error in errors)


async def test_undecodable_members_never_reach_the_handler(app: App) -> None:
    """They are set aside with their bytes before the call."""
    calls: list[list[int]] = []

    @app.subscriber("t", group="g", batch_size=3, batch_wait_s=0)
    async def handle(bodies: list[int]) -> None:
        calls.append(bodies)

    async with app.test() as t:
        await app.publish_many("t", [0, "one", 2])
        await t.settle()
        (entry,) = await app.dead_letters.entries("t", "g")

    assert calls == [[0, 2]]
    assert entry.message.body == b'"one"'


async def test_a_batch_of_undecodable_members_is_no_call(app: App) -> None:
    """There is nothing to call the handler with."""
    calls: list[Any] = []

    @app.subscriber("t", group="g", batch_size=2)
    async def handle(bodies: list[int]) -> None:
        calls.append(bodies)

    async with app.test() as t:
        await app.publish_many("t", ["x", "y"])
        await t.settle()
        assert len(await app.dead_letters.entries("t", "g")) == 2

    assert calls == []


async def test_with_order_by_key_a_batch_has_one_message_of_each_key(app: App) -> None:
    """So a member that fails holds back those behind it."""

    def behaviour(bodies: list[int], deliveries: list[Delivery]) -> None:
        if bodies[0] == 0 and deliveries[0].attempt == 1:
            raise BatchFailed({0: LookupError("x")})

    calls = collect(app, behaviour, order="key", batch_wait_s=0.0)

    async with app.test() as t:
        await app.publish_many("t", range(4), keys=["a", "a", "b", "b"])
        await until(lambda: len(calls) >= 2)
        assert calls == [[0, 2], [3]]
        await t.advance(10)
        await t.settle()

    assert calls == [[0, 2], [3], [0], [1]]
