"""Health: ready when it works, down when it does not, and an answer in any case."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.abc import Health
from anymq.app import App
from anymq.runtime.health import AppHealth
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.outage import outage

__all__ = ["asked"]

ANSWER_S = 3.0
"""Health of an application answers within about this time, whatever hangs."""


async def asked(bench: Bench, app: App, when: str) -> AppHealth:
    """The application's health; fails when it raises or takes too long."""
    try:
        async with asyncio.timeout(bench.limit(ANSWER_S)):
            return await app.health()
    except TimeoutError:
        raise CheckFailed(f"{when}: health gave no answer") from None
    except Exception as error:  # noqa: BLE001 - any error is the finding
        raise CheckFailed(f"{when}: health raised {type(error).__name__}: {error}") from None


@check("OBS-01", "health_ready_after_start")
async def ready_after_start(bench: Bench) -> None:
    """Not ready before; after the start ready, with every subscriber accepting; not after stop."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    private = bench.collect(app, topic)
    expect(not (await asked(bench, app, "before start")).ready, "ready before it was started")
    await bench.started(app)
    health = await asked(bench, app, "after start")
    expect(health.ready and health.live and health.status == "up", f"after the start: {health}")
    expect(health.backend.status == "up", f"after the start the backend is {health.backend}")
    states = {"collector-1": "running", "collector-2": "running"}
    expect(health.subscribers == states, f"subscribers: {health.subscribers}")
    await bench.publish(app, topic, "at once")
    await bench.received(collector, 1)
    await bench.received(private, 1)
    await app.consumers["collector-1"].pause()
    health = await asked(bench, app, "while paused")
    expect(health.subscribers["collector-1"] == "paused", f"while paused: {health.subscribers}")
    expect(health.ready, "a paused subscriber made the application unready")
    await app.consumers["collector-1"].resume()
    await app.stop()
    expect(not (await asked(bench, app, "after stop")).ready, "ready after it was stopped")
    await bench.started(app)
    expect((await asked(bench, app, "started again")).ready, "not ready after the second start")


@check("OBS-02", "health_unhealthy_when_broker_down", limit_s=60)
async def unhealthy_when_down(bench: Bench) -> None:
    """Down while the backend is, alive all the same, and up again by itself afterwards."""
    app = await bench.app()
    topic = app.topic(bench.topic())
    collector = bench.collect(app, topic, group="g")
    await bench.started(app)
    seen: list[AppHealth] = []

    async def is_down() -> bool:
        seen.append(await asked(bench, app, "during an outage"))
        return not seen[-1].ready

    async def is_up() -> bool:
        seen.append(await asked(bench, app, "after an outage"))
        return seen[-1].ready

    for turn in range(2):
        async with outage(bench, "out of order, says the kit"):
            await bench.wait_async(is_down, "health to tell of the outage", 10)
            health = seen[-1]
            expect(health.backend.status == "down", f"the backend is {health.backend}")
            expect(health.backend.detail, "the backend's health does not say what is wrong")
            expect(health.status == "down", f"with its backend down the status is {health.status}")
            expect(health.live, "an outage of the backend made the process not worth keeping")
        await bench.wait_async(is_up, "health to recover by itself", 20)
        await bench.publish(app, topic, turn)
        await bench.received(collector, turn + 1, limit_s=20)


@check("OBS-03", "health_check_never_raises")
async def never_raises(bench: Bench) -> None:
    """An answer in every state, whatever the plugin or a check of the application does."""
    app = await bench.app()
    app.topic(bench.topic())

    def raises() -> Health:
        raise RuntimeError("a check that is broken")

    app.health_check("raises", raises)
    states = [await asked(bench, app, "before start")]
    await bench.started(app)
    states.append(await asked(bench, app, "with a broken check"))
    expect(states[-1].checks["raises"].startswith("down"), f"checks: {states[-1].checks}")
    expect(not states[-1].ready, "ready, although a check of the application is down")
    async with asyncio.TaskGroup() as tasks:  # both wait for limits
        tasks.create_task(_hanging_checks(bench, app))
        tasks.create_task(_broken_plugin(bench))
    async with outage(bench):
        states.append(await asked(bench, app, "during an outage"))
    await app.stop()
    states.append(await asked(bench, app, "after stop"))
    await app.close()
    states.append(await asked(bench, app, "after close"))
    expect(not states[-1].live, "live after close")
    await _narrow(bench)


async def _hangs() -> Health:
    await asyncio.Event().wait()
    return Health("up")


async def _hanging_checks(bench: Bench, app: App) -> None:
    """Checks of the application that hang: down after their limit, all at the same time."""
    names = ("hangs", "hangs too")
    for name in names:
        app.health_check(name, _hangs)
    health = await asked(bench, app, "with checks that hang")
    for name in names:
        told = health.checks[name]
        expect(told.startswith("down"), f"a check that hangs is {told!r}")
        del app._parts.health_checks[name]


async def _broken_plugin(bench: Bench) -> None:
    """A plugin whose health raises or hangs against the rules: down, and no error."""
    app = await bench.app()
    app.topic(bench.topic())
    await bench.started(app)
    broker: Any = app._lifecycle.engine.broker

    async def raises() -> Health:
        raise RuntimeError("kit-s3cret")

    for broken, what in ((raises, "raises"), (_hangs, "hangs")):
        broker.health = broken
        health = await asked(bench, app, f"with a plugin whose health {what}")
        expect(not health.ready and health.backend.status == "down", f"then: {health}")
        expect("kit-s3cret" not in repr(health), "health repeats the text of any error")
    del broker.health
    expect((await asked(bench, app, "mended")).ready, "not ready after the plugin was mended")


async def _narrow(bench: Bench) -> None:
    """The plugin's own health: before open, open, in an outage, closed."""
    unopened = await bench._make("broker", {})
    await _answers(bench, unopened, "before open", "down")
    async with bench.broker() as broker:
        await _answers(bench, broker, "when open", "up")
        async with outage(bench):
            await bench.wait_async(lambda: _is_down(bench, broker), "the plugin to notice", 10)
        await bench.wait_async(lambda: _is_up(bench, broker), "the plugin to recover", 20)
        await broker.aclose(timeout_s=bench.limit(5))
        await _answers(bench, broker, "after close", "down")


async def _is_down(bench: Bench, broker: Any) -> bool:
    return await _answers(bench, broker, "in an outage") == "down"


async def _is_up(bench: Bench, broker: Any) -> bool:
    return await _answers(bench, broker, "after an outage") == "up"


async def _answers(bench: Bench, broker: Any, when: str, wanted: str = "") -> str:
    try:
        async with asyncio.timeout(bench.limit(2.5)):
            health = await broker.health()
    except TimeoutError:
        raise CheckFailed(f"{when}: the plugin's health took more than two seconds") from None
    except Exception as error:  # noqa: BLE001 - any error is the finding
        raise CheckFailed(f"{when}: the plugin's health raised {type(error).__name__}") from None
    expect(isinstance(health, Health), f"{when}: health gave a {type(health).__name__}")
    expect(not wanted or health.status == wanted, f"{when}: the plugin's health is {health}")
    return str(health.status)
