"""Batch handlers that cannot be, their limits, and what they publish."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anymq import App, ConfigError, Delivery, RetryPolicy
from tests.unit.core.app.test_batches import collect
from tests.unit.core.doubles import until


async def test_a_sync_batch_handler_runs_in_a_thread(app: App) -> None:
    """With the values and nothing else."""
    calls: list[list[int]] = []

    @app.subscriber("t", group="g", batch_size=2)
    def handle(bodies: list[int]) -> None:
        calls.append(bodies)

    async with app.test():
        await app.publish_many("t", range(2))
        await until(lambda: calls == [[0, 1]])


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 0}, {"batch_size": 2, "ack": "manual"}, {"batch_size": 2, "batch_wait_s": -1}],
)
def test_a_batch_that_cannot_be_is_refused_when_it_is_declared(
    app: App, options: dict[str, Any]
) -> None:
    """The text names the subscriber and where it stands."""
    with pytest.raises(ConfigError, match=r"batch.*test_batches\.py"):
        collect(app, **options)


async def test_a_time_limit_holds_for_a_batch_too(app: App) -> None:
    """All of it counts as failed when the time is up."""
    failed: list[BaseException] = []

    @app.on_error
    async def hook(delivery: Delivery, error: BaseException) -> None:
        failed.append(error)

    @app.subscriber("t", group="g", batch_size=2, timeout_s=0.01, retry=RetryPolicy(max_attempts=1))
    async def handle(bodies: list[int]) -> None:
        await asyncio.Event().wait()

    async with app.test():
        await app.publish_many("t", range(2))

        await until(lambda: len(failed) == 2)


def test_what_a_batch_returns_cannot_be_published(app: App) -> None:
    """It is outcomes; ``@publisher`` on it would silently publish nothing."""

    async def handle(bodies: list[int]) -> None: ...

    app.publisher("out")(handle)
    with pytest.raises(ConfigError, match="publisher"):
        app.subscriber("t", group="g", batch_size=2)(handle)


async def test_what_a_batch_handler_publishes_belongs_to_its_member(app: App) -> None:
    """Correlation and causation are that member's, also for what was not awaited."""
    app.topic("out")

    @app.subscriber("t", group="g", batch_size=2, batch_wait_s=0)
    async def handle(bodies: list[int], deliveries: list[Delivery]) -> None:
        for body, delivery in zip(bodies, deliveries, strict=True):
            await delivery.publish("out", body)
            assert delivery.value == body

    async with app.test() as t:
        await app.publish("t", 1, message_id="m1")
        await app.publish("t", 2, message_id="m2")
        await t.settle()
        sent = [message for message in t.published if message.topic == "out"]

    assert [(message.body, message.causation_id) for message in sent] == [
        (b"1", "m1"),
        (b"2", "m2"),
    ]
