"""Lifespans, and stops that are cancelled, repeated, or ignored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from anymq import App, Context, UnsupportedError
from anymq.memory.broker import MemoryBroker
from anymq.runtime import engine as engine_module
from tests.unit.core.doubles import turns, until


async def test_a_lifespan_spans_the_run_and_gives_the_state(url: str) -> None:
    """Entered before the first message, left after the last; once per start."""
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[dict[str, int]]:
        steps.append("enter")
        yield {"answer": 42}
        steps.append("exit")

    app = App(url, lifespan=lifespan)

    @app.subscriber("t", group="g")
    async def handle(body: int, context: Context[dict[str, int]]) -> None:
        steps.append(f"handle {context.state['answer']}")

    for _ in range(2):
        await app.start()
        await app.publish("t", 1)
        await until(lambda: steps[-1] == "handle 42")
        await app.stop()
    await app.close()

    assert steps == ["enter", "handle 42", "exit"] * 2


@pytest.mark.parametrize("when", ["enter", "exit"])
async def test_a_lifespan_that_raises_leaves_nothing(
    url: str, when: str, opened: list[MemoryBroker]
) -> None:
    """Neither a connection nor a state in which nothing is possible any more."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        if when == "enter":
            raise LookupError("no database")
        yield
        raise LookupError("no database")

    app = App(url, lifespan=lifespan)
    with pytest.raises(LookupError, match="no database"):
        async with app:
            pass
    await app.close()
    assert app.state == "closed"


async def test_a_lifespans_exit_that_raises_in_a_failing_start_leaves_a_usable_state(
    url: str,
) -> None:
    """The App can still be closed, and is not starting for ever."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        yield
        raise LookupError("on the way out")

    app = App(f"{url}?native=none", lifespan=lifespan)

    @app.subscriber("t", group="g", order="key")
    async def handle(body: int) -> None: ...

    with pytest.raises((LookupError, UnsupportedError)):
        await app.start()
    assert app.state == "stopped"
    async with asyncio.timeout(1):
        await app.close()


async def test_a_cancelled_stop_still_closes(url: str, opened: list[MemoryBroker]) -> None:
    """Whoever gives up waiting for handlers leaves no connection behind."""
    app = App(url)
    entered = asyncio.Event()

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None:
        entered.set()
        await asyncio.Event().wait()

    await app.start()
    await app.publish("t", 1)
    await entered.wait()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await app.stop(grace_s=3600)

    assert app.state == "stopped"
    assert opened[0]._closed


async def test_stopping_at_the_same_time_is_stopping_once(app: App) -> None:
    """Everybody waits for the same end; a close meanwhile, too."""
    entered, gate = asyncio.Event(), asyncio.Event()

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None:
        entered.set()
        await gate.wait()

    await app.start()
    await app.publish("t", 1)
    await entered.wait()
    async with asyncio.timeout(2), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(app.stop())
        await turns()
        assert app.state == "stopping"
        group.create_task(app.close())
        gate.set()
    assert app.state == "closed"


async def test_closing_ends_although_a_handler_ignores_its_cancellation(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded, whatever the user's code does."""
    monkeypatch.setattr("anymq.portable.consumer.CLOSE_S", 0.01)
    monkeypatch.setattr(engine_module, "CLOSE_S", 0.05)
    entered, release = asyncio.Event(), False

    @app.subscriber("t", group="g")
    async def handle(body: int) -> None:
        entered.set()
        while not release:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    await app.start()
    await app.publish("t", 1)
    await entered.wait()
    async with asyncio.timeout(1):
        await app.close(grace_s=0)

    release = True
    assert app.state == "closed"
    await asyncio.sleep(0.02)
