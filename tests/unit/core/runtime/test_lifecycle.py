"""The states of an App, and the way from one to the next."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anymq import (
    App,
    BackendUnavailable,
    ClosedError,
    ConfigError,
    InvalidState,
    TopologyError,
)
from anymq.abc import BackendEvent
from anymq.config import Settings
from anymq.events import AppEvent
from anymq.memory.broker import MemoryBroker
from anymq.memory.space import Space, space_named
from anymq.urls import parse_url
from tests.unit.core.doubles import turns, until


def impatient(url: str, **settings: Any) -> App:
    """An App that gives its backend a moment only."""
    return App(settings=Settings(url=parse_url(url), connect_wait_s=0.01, **settings))


async def test_an_app_goes_from_new_to_closed(app: App) -> None:
    """Stop may be followed by start; close is the end."""
    states = [app.state]
    await app.start()
    states.append(app.state)
    await app.stop()
    states.append(app.state)
    await app.start()
    states.append(app.state)
    await app.close()
    states.append(app.state)

    assert states == ["new", "running", "stopped", "running", "closed"]


async def test_starting_twice_is_refused(app: App) -> None:
    """It runs already; that it does is not disturbed."""
    async with app:
        with pytest.raises(InvalidState, match="is running"):
            await app.start()
        assert app.state == "running"


@pytest.mark.parametrize("state", ["new", "stopped"])
async def test_stopping_what_does_not_run_is_refused(app: App, state: str) -> None:
    """The text names the state."""
    if state == "stopped":
        await app.start()
        await app.stop()
    with pytest.raises(InvalidState, match=f"is {state}"):
        await app.stop()


async def test_closing_is_idempotent_and_final(app: App) -> None:
    """Once, twice, also before it ever ran; everything raises ClosedError afterwards."""
    app.topic("t")
    await app.close()
    await app.close()

    for call in (app.start(), app.stop(), app.publish("t", 1), app.publish_many("t", [1])):
        with pytest.raises(ClosedError, match="closed"):
            await call
    for name in ("capabilities", "consumers", "dead_letters"):
        with pytest.raises(ClosedError):
            getattr(app, name)
    with pytest.raises(ClosedError):
        await app.request("t", 1)


async def test_before_start_there_is_nothing_to_use(app: App) -> None:
    """The text says how to start it."""
    for call in (app.publish("t", 1), app.request("t", 1), app.wait_failed()):
        with pytest.raises(InvalidState, match="async with app"):
            await call
    with pytest.raises(InvalidState):
        _ = app.consumers


async def test_a_backend_that_is_down_fails_the_start_in_time(
    url: str, space: Space, opened: list[MemoryBroker]
) -> None:
    """And leaves nothing running; once it is up the same App starts."""
    app = impatient(url)
    space.outage = "no power"
    with pytest.raises(BackendUnavailable, match="no power"):
        await app.start()
    assert app.state == "stopped"

    space.outage = None
    async with app:
        assert app.state == "running"


async def test_a_start_waits_for_its_backend(url: str, space: Space) -> None:
    """As long as it may: no error when the backend comes in time."""
    app = App(url)
    space.outage = "booting"
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(app.start())
        await turns()
        assert (starting.done(), app.state) == (False, "starting")
        space.outage = None
    assert app.state == "running"
    await app.close()


async def test_a_start_that_waits_says_so_at_once(
    url: str, space: Space, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, in the log and as an event, with the reason and for how long."""
    app, told = App(url), list[AppEvent]()
    app.on_event(told.append)
    space.outage = "no such folder"
    async with asyncio.TaskGroup() as group:
        group.create_task(app.start())
        await until(lambda: told)
        space.outage = None
    await app.close()

    (first,) = (e for e in told if isinstance(e, BackendEvent) and e.kind == "lost")
    assert "no such folder" in first.detail
    assert "for up to 30 s" in first.detail
    assert [r.message for r in caplog.records if "not connected yet" in r.message] == [
        f"not connected yet: {first.detail}"
    ]


async def test_closing_ends_a_start_that_waits(url: str, space: Space) -> None:
    """The start raises; nothing runs afterwards."""
    app = App(url)
    space.outage = "gone"
    async with asyncio.TaskGroup() as group:

        async def start() -> str:
            with pytest.raises(ClosedError, match="while it was starting"):
                await app.start()
            return app.state

        starting = group.create_task(start())
        await turns()
        async with asyncio.timeout(2):
            await app.close()
    assert app.state == "closed"
    assert starting.result() in ("stopped", "closed")


async def test_cancelling_a_start_leaves_nothing(url: str, space: Space) -> None:
    """It may be started again."""
    app = App(url)
    space.outage = "gone"
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(app.start())
        await turns()
        starting.cancel()
    assert app.state == "stopped"
    space.outage = None
    async with app:
        assert app.state == "running"


async def test_a_start_that_fails_late_leaves_nothing(url: str, opened: list[MemoryBroker]) -> None:
    """The second subscriber cannot join: the first is stopped, the connection closed."""
    app = App(settings=Settings(url=parse_url(url), topology="assume"))
    space_named(url.removeprefix("memory://"))

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None: ...

    with pytest.raises(TopologyError, match="does not exist"):
        await app.start()
    assert app.state == "stopped"
    assert len(opened) == 1


async def test_a_web_applications_lifespan_starts_and_closes(app: App) -> None:
    """``FastAPI(lifespan=app.lifespan)`` calls it with the web application."""
    async with app.lifespan(object()):
        assert app.state == "running"
    assert app.state == "closed"


async def test_a_start_without_consuming_runs_no_subscriber(app: App) -> None:
    """Its group exists all the same, and misses nothing."""
    seen: list[int] = []

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None:
        seen.append(body)

    await app.start(consume=False)
    await app.publish("t", 1)
    await turns(50)
    assert (seen, dict(app.consumers)) == ([], {})
    assert (await app.health()).ready
    await app.stop()
    async with app:
        await until(lambda: seen == [1])


async def test_a_broken_configuration_stops_the_start(url: str) -> None:
    """It names the key; nothing was opened."""
    app = App(settings=Settings(url=parse_url(url), subscribers={"bill": {"concurrency": 2}}))

    with pytest.raises(ConfigError, match=r"subscribers\.bill"):
        await app.start()
    assert app.state == "stopped"
