"""Starting in the background, and handlers that run while others still start."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anymq import App, BackendUnavailable, InvalidState
from anymq.events import AppEvent, ConsumerStopped
from anymq.memory.broker import MemoryBroker
from anymq.memory.space import Space
from tests.unit.core.doubles import turns, until


async def test_a_start_in_the_background_returns_at_once(url: str, space: Space) -> None:
    """Not ready until it has connected; publishing meanwhile is a transient error."""
    app = App(url)
    app.topic("t")
    space.outage = "booting"
    await app.start(background=True)
    assert app.state == "running"
    assert not (await app.health()).ready
    with pytest.raises(BackendUnavailable, match="not connected yet"):
        await app.publish("t", 1)

    space.outage = None
    await until(lambda: app._lifecycle._assembly is not None)
    assert (await app.health()).ready
    await app.publish("t", 1)
    await app.close()


async def test_a_start_in_the_background_that_cannot_succeed_is_told(
    url: str, opened: list[MemoryBroker]
) -> None:
    """By event and ``wait_failed``, since nobody awaits it; and it leaves nothing open."""
    app, heard = App(f"{url}?native=none"), list[AppEvent]()
    app.on_event(heard.append)

    @app.subscriber("t", group="g", order="key")
    async def handle(body: int) -> None: ...

    await app.start(background=True)
    error = await asyncio.wait_for(app.wait_failed(), 2)

    assert "order_by_key" in str(error)
    assert [event.subscriber for event in heard if isinstance(event, ConsumerStopped)] == ["start"]
    assert not (await app.health()).ready
    await app.close()


async def test_a_start_in_the_background_that_fails_late_is_tried_again(
    url: str, monkeypatch: pytest.MonkeyPatch, opened: list[MemoryBroker]
) -> None:
    """Connected, then lost while declaring: it begins anew by itself."""
    declare, calls = MemoryBroker.declare, list[int]()

    async def failing(self: MemoryBroker, *args: Any, **options: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise BackendUnavailable("lost again")
        await declare(self, *args, **options)

    monkeypatch.setattr(MemoryBroker, "declare", failing)
    app = App(url)
    await app.start(background=True)
    async with asyncio.timeout(3):
        await until(lambda: app._lifecycle._assembly is not None)
    await app.close()

    assert len(opened) == 2


async def test_a_stop_ends_a_start_in_the_background(url: str, space: Space) -> None:
    """Nothing goes on trying."""
    app = App(url)
    space.outage = "gone"
    await app.start(background=True)
    await turns()
    await app.stop()
    space.outage = None
    await turns(50)
    assert (app.state, app._lifecycle._engine) == ("stopped", None)


async def test_handlers_can_publish_from_their_first_message_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog is handled while other subscribers are still joining."""
    subscribe = MemoryBroker.subscribe

    async def slow(self: MemoryBroker, *args: Any, **options: Any) -> Any:
        await turns(20)
        return await subscribe(self, *args, **options)

    monkeypatch.setattr(MemoryBroker, "subscribe", slow)
    app, problems, done = App(url), list[BaseException](), list[int]()
    app.topic("out")

    @app.subscriber("t", group="g", name="first")
    async def handle(body: int) -> None:
        try:
            await app.publish("out", body)
            done.append(body)
        except InvalidState as error:
            problems.append(error)

    for number in range(3):
        app.subscriber(f"u{number}", group="g", name=f"u{number}")(_ignore)

    await app.start(consume=False)
    await app.publish("t", 1)
    await app.stop()
    async with app:
        await until(lambda: done or problems)

    assert problems == []


async def _ignore(body: int) -> None:
    return None
