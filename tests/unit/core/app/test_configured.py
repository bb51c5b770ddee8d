"""What configuration changes of an application: overrides, codec, envelope, extensions."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from anymq import App, ConfigError, Delivery, RetryPolicy
from anymq.config import Settings
from anymq.memory.broker import MemoryBroker
from anymq.urls import parse_url
from tests.unit.core.doubles import until

KEYS: dict[str, Any] = {"active": "one", "keys": {"one": SecretStr("k" * 43 + "=")}}


def configured(url: str, **settings: Any) -> App:
    return App(settings=Settings(url=parse_url(url), **settings))


async def test_a_deployment_overrides_a_subscriber(url: str) -> None:
    """Concurrency, prefetch and single fields of its policy; the rest stays as declared."""
    override = {"concurrency": 7, "prefetch": 9, "retry": {"max_attempts": 2}}
    app = configured(url, subscribers={"handle": override})

    @app.subscriber("t", group="g", concurrency=2, retry=RetryPolicy(first_delay_s=3))
    async def handle(body: int) -> None: ...

    async with app:
        plan = app.consumers["handle"].plan

    assert (plan.concurrency, plan.prefetch) == (7, 9)
    assert (plan.retry.max_attempts, plan.retry.first_delay_s) == (2, 3)


async def test_a_plain_handler_has_as_many_threads_as_the_override_says(url: str) -> None:
    """Not as many as the code says."""
    app = configured(url, subscribers={"handle": {"concurrency": 3}})

    @app.subscriber("t", group="g")
    def handle(body: int) -> None: ...

    async with app:
        (pool,) = app._lifecycle.engine._threads
        assert pool._max_workers == 3


@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_cloudevents_travel_and_arrive_as_the_value(url: str, mode: str) -> None:
    """In headers or as one body; the handler sees its data."""
    app = configured(url, cloudevents=mode)
    seen: list[Any] = []

    @app.subscriber("t", group="g")
    async def handle(body: dict[str, int], delivery: Delivery) -> None:
        seen.append((body, delivery.headers))

    async with app.test() as t:
        await app.publish("t", {"a": 1})
        await t.settle()
        (message,) = t.published

    assert seen[0][0] == {"a": 1}
    assert (b"specversion" in message.body) is (mode == "structured")


async def test_encryption_and_signing_exclude_each_other(url: str) -> None:
    """The text says which to leave out."""
    app = configured(url, encryption=KEYS, signing=KEYS)

    with pytest.raises(ConfigError, match="leave 'signing' out"):
        await app.start()


async def test_the_url_in_the_code_wins_over_the_settings(url: str) -> None:
    """The settings' other values stay."""
    app = App(url, settings=Settings(url=parse_url("memory://elsewhere"), namespace="n"))
    async with app:
        broker: Any = app.native(MemoryBroker)
        assert broker.space.name == f"n.{url.removeprefix('memory://')}"


async def test_the_clock_of_an_application_is_its_own(app: App) -> None:
    """A message's time is that of the application that published it."""
    seen: list[float] = []

    @app.subscriber("t", group="g")
    async def handle(body: int, delivery: Delivery) -> None:
        facts = (delivery.timestamp, delivery.partition, delivery.content_type)
        assert facts[1:] == (0, "application/json")
        assert (delivery.causation_id, delivery.reply_to) == (None, None)
        seen.append(facts[0])

    async with app.test() as t:
        await app.publish("t", 1)
        await until(lambda: seen)
        assert seen == [t.clock.time()]
