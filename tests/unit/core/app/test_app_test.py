"""``app.test()``: the application without a server, on a clock that a test moves."""

from __future__ import annotations

import asyncio
import time

import pytest

from anymq import App, Delivery
from anymq.config import Settings
from anymq.urls import parse_url
from tests.unit.core.doubles import turns


async def test_whatever_backend_is_configured_it_runs_on_none() -> None:
    """The URL is not looked at; codec and overrides stay; all is as before afterwards."""
    url = parse_url("redis://nowhere.invalid:1")
    settings = Settings(url=url, codec="msgpack", subscribers={"handle": {"concurrency": 7}})
    app = App(settings=settings)

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None: ...

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        assert t.published[0].content_type == "application/msgpack"
        assert app.consumers["handle"].concurrency == 7
    assert app._parts.settings is settings


async def test_two_tests_do_not_see_each_other() -> None:
    """Each has a space of its own."""
    first, second = App("memory://same"), App("memory://same")
    seen: list[str] = []

    @first.subscriber("t", group="g")
    async def handle_first(body: int) -> None:
        seen.append("first")

    @second.subscriber("t", group="g")
    async def handle_second(body: int) -> None:
        seen.append("second")

    async with first.test() as t, second.test():
        await first.publish("t", 1)
        await t.settle()
        await turns()

    assert seen == ["first"]


async def test_settling_waits_for_anonymous_subscribers_too(app: App) -> None:
    """They belong to the application like any other."""
    seen: list[int] = []

    @app.subscriber("t")
    async def handle(body: int) -> None:
        await asyncio.sleep(0)
        seen.append(body)

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    assert seen == [1]


async def test_settling_waits_for_what_was_acknowledged_before(app: App) -> None:
    """Its handler still runs."""
    done: list[int] = []

    @app.subscriber("t", group="g", ack="before")
    async def handle(body: int) -> None:
        await turns(200)
        done.append(body)

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    assert done == [1]


async def test_settling_waits_for_threads(app: App) -> None:
    """A plain handler may take real time."""
    done: list[int] = []

    @app.subscriber("t", group="g")
    def handle(body: int) -> None:
        time.sleep(0.15)  # real work of a plain function, which no clock of ours can shorten
        done.append(body)

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()

    assert done == [1]


async def test_settling_gives_up_on_who_waits_for_ever(app: App) -> None:
    """The text says what it may be."""

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None:
        await asyncio.Event().wait()

    async with app.test() as t:
        await app.publish("t", 1)
        with pytest.raises(TimeoutError, match="still busy"):
            await t.settle(limit_s=0.01)


async def test_time_passes_when_it_is_moved(app: App) -> None:
    """A published delay ends with it; the clock is the application's."""
    seen: list[float] = []

    @app.subscriber("t", group="g")
    async def handle(body: int, delivery: Delivery) -> None:
        seen.append(t.clock.time() - delivery.timestamp)

    async with app.test() as t:
        await app.publish("t", 1, delay_s=3600)
        await t.settle()
        assert seen == []
        await t.advance(3600)
        await t.settle()

    assert seen == [pytest.approx(3600)]


async def test_everything_sent_is_recorded_in_order(app: App) -> None:
    """Also what handlers publish."""
    app.topic("out")

    @app.subscriber("t", group="g")
    @app.publisher("out")
    async def handle(body: int) -> int:
        return body * 2

    async with app.test() as t:
        await app.publish("t", 1)
        await t.settle()
        (group,) = await t.management().groups("t")

    assert [(message.topic, message.body) for message in t.published] == [
        ("t", b"1"),
        ("out", b"2"),
    ]
    assert group.name == "g"
