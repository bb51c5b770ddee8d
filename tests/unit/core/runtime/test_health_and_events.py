"""Health of an application, and who is told of what happens to it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from anymq import App
from anymq.abc import BackendEvent, Health
from anymq.events import AppEvent, ConsumerStopped, HookFailed
from anymq.memory.broker import MemoryBroker
from anymq.memory.space import space_named
from anymq.runtime import checks as checks_module
from anymq.runtime.health import combine
from anymq.runtime.task_host import TaskHost
from tests.unit.core.doubles import turns

UP, DEGRADED, DOWN = Health("up"), Health("degraded"), Health("down")


@pytest.mark.parametrize(
    ("state", "backend", "subscribers", "checks", "expected"),
    [
        ("running", UP, {"a": "running"}, {}, (True, True, "up")),
        ("running", UP, {"a": "paused"}, {"db": "up"}, (True, True, "up")),
        ("running", DEGRADED, {}, {}, (True, True, "degraded")),
        ("running", UP, {}, {"db": "degraded"}, (True, True, "degraded")),
        ("running", DOWN, {}, {}, (True, False, "down")),
        ("running", UP, {"a": "LookupError: x"}, {}, (True, False, "down")),
        ("running", UP, {}, {"db": "down"}, (True, False, "down")),
        ("stopping", UP, {}, {}, (True, False, "down")),
        ("closed", DOWN, {}, {}, (False, False, "down")),
    ],
)
def test_an_application_is_as_well_as_its_parts(
    state: str,
    backend: Health,
    subscribers: dict[str, str],
    checks: dict[str, str],
    expected: tuple[bool, bool, str],
) -> None:
    """Live until it is closed; ready when it does what it is for."""
    health = combine(state, backend, subscribers, checks)

    assert (health.live, health.ready, health.status) == expected


async def test_health_tells_what_is_the_matter(app: App, url: str) -> None:
    """Before the start, while running, during an outage, after the end."""

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None: ...

    assert "is new" in (await app.health()).backend.detail
    async with app:
        health = await app.health()
        assert (health.ready, health.subscribers) == (True, {"handle": "running"})
        space_named(url.removeprefix("memory://")).outage = "no power"
        health = await app.health()
        assert (health.ready, health.backend.status) == (False, "down")
    assert not (await app.health()).live


async def test_further_checks_count(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain or async; one that raises or hangs is down and takes no other with it."""
    monkeypatch.setattr(checks_module, "LIMIT_S", 0.05)

    async def slow() -> Health:
        await asyncio.Event().wait()
        return UP

    async def fine() -> Health:
        return DEGRADED

    def broken() -> Health:
        raise LookupError("x")

    for name in ("slow-1", "slow-2"):
        app.health_check(name, slow)
    app.health_check("fine", fine)
    app.health_check("broken", broken)
    app.health_check("plain", lambda: UP)
    app.health_check("anything", lambda: None)
    async with app, asyncio.timeout(2):
        health = await app.health()

    assert health.checks == {
        "slow-1": "down: TimeoutError",
        "slow-2": "down: TimeoutError",
        "fine": "degraded",
        "broken": "down: LookupError",
        "plain": "up",
        "anything": "up",
    }
    assert not health.ready


async def test_a_plugin_whose_health_raises_is_down(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Health never raises, whatever a plugin does."""

    async def broken(self: MemoryBroker) -> Health:
        raise LookupError("a bug")

    monkeypatch.setattr(MemoryBroker, "health", broken)
    async with app:
        health = await app.health()

    assert health.backend == Health("down", "health check failed: LookupError")


async def test_the_backend_and_the_checks_are_asked_at_the_same_time(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits until the other has been asked: one after the other, both would be down."""
    asked = asyncio.Barrier(2)

    async def both(_self: MemoryBroker | None = None) -> Health:
        await asked.wait()
        return UP

    monkeypatch.setattr(MemoryBroker, "health", both)
    monkeypatch.setattr(checks_module, "LIMIT_S", 0.5)
    app.health_check("other", both)
    async with app:
        health = await app.health()

    assert (health.status, health.checks) == ("up", {"other": "up"})


async def test_the_backends_events_are_told(app: App, events: list[AppEvent]) -> None:
    """From its opening on."""
    async with app:
        assert (
            BackendEvent("connected", f"memory://{app.native(MemoryBroker).space.name}") in events
        )  # type: ignore[union-attr]


def test_a_broken_event_hook_is_logged_and_told_to_the_others(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """They hear the event, and that somebody did not."""
    heard: list[AppEvent] = []

    @app.on_event
    def broken(event: AppEvent) -> None:
        raise LookupError("hook")

    app.on_event(heard.append)
    event = BackendEvent("lost", "cut")
    with caplog.at_level(logging.CRITICAL, "anymq"):
        app.tell(event)

    assert event in heard
    (problem,) = [told for told in heard if isinstance(told, HookFailed)]
    assert "broken" in problem.hook
    assert problem.error == "LookupError: hook"
    assert "broken raised LookupError" in caplog.text


@pytest.mark.parametrize("event", [HookFailed("h", "e"), ConsumerStopped("c", "e")])
def test_what_is_critical_is_logged_even_if_nobody_listens(
    app: App, event: AppEvent, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that ends for good ends in silence."""
    with caplog.at_level(logging.CRITICAL, "anymq"):
        app.tell(event)

    assert type(event).__name__ in caplog.text


async def test_the_clients_own_object_can_be_had(app: App) -> None:
    """By its type; None where there is none."""
    async with app:
        assert isinstance(app.native(MemoryBroker), MemoryBroker)
        assert app.native(dict) is None
        assert app.capabilities.lease_s == 30


async def test_a_background_task_that_breaks_is_told(app: App, events: list[AppEvent]) -> None:
    """It ends alone."""

    async def broken() -> None:
        raise LookupError("x")

    async with app:
        app._lifecycle.engine.spawn(broken())
        await turns()

    assert HookFailed("background task", "LookupError: x") in events


async def test_a_task_host_that_is_not_open_starts_nothing() -> None:
    """And leaves nothing unawaited; closing what was never opened is nothing."""
    host, begun = TaskHost(lambda error: None), list[int]()

    async def work() -> None:
        begun.append(1)

    with pytest.raises(RuntimeError, match="not running"):
        host.spawn(work())
    assert await host.aclose(limit_s=1)
    assert begun == []


async def test_a_task_host_ends_what_runs_and_tells_what_does_not_end() -> None:
    """Also what was started and had not had its first step."""
    host = TaskHost(lambda error: None)
    await host.open()
    release = False

    async def stubborn() -> None:
        while not release:
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                continue

    host.spawn(asyncio.Event().wait())  # type: ignore[arg-type]
    assert await host.aclose(limit_s=1)

    await host.open()
    host.spawn(stubborn())
    await turns()
    assert not await host.aclose(limit_s=0.01)
    release = True
    await asyncio.sleep(0.01)
