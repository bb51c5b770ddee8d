"""Order by key: one handler per key, and what a failing message does to its key."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq import App, Delivery, Release, RetryPolicy
from anymq.events import AppEvent, OrderGivenUp
from tests.unit.core.doubles import turns, until

POLICY = RetryPolicy(max_attempts=5, first_delay_s=10, factor=1, jitter=0)


def collect(app: App, **options: Any) -> tuple[list[str], dict[str, asyncio.Event]]:
    """A subscriber in order by key; messages wait for their event where there is one."""
    seen: list[str] = []
    gates: dict[str, asyncio.Event] = {}
    given: dict[str, Any] = {"concurrency": 4, "prefetch": 20, "retry": POLICY, **options}

    @app.subscriber("t", group="g", name="ordered", order="key", **given)
    async def handle(body: str, delivery: Delivery) -> None:
        seen.append(body)
        if body in gates:
            await gates[body].wait()
        if body.startswith("bad") and delivery.attempt < 3:
            raise LookupError(body)

    return seen, gates


async def test_one_message_of_a_key_runs_at_a_time(app: App) -> None:
    """Other keys, and messages without a key, pass it."""
    seen, gates = collect(app)
    gates["a1"] = asyncio.Event()

    async with app.test() as t:
        for body in ("a1", "a2", "b1", "n1", "n2"):
            await app.publish("t", body, key=None if body[0] == "n" else body[0])
        await until(lambda: len(seen) == 4)
        await turns()
        assert seen == ["a1", "b1", "n1", "n2"]
        gates["a1"].set()
        await t.settle()

    assert seen[-1] == "a2"


async def test_a_failing_message_holds_its_key_and_no_other(app: App) -> None:
    """It waits in this process, for its delay; those behind it wait too."""
    seen, _ = collect(app)

    async with app.test() as t:
        for body, key in (("bad", "a"), ("a2", "a"), ("b1", "b")):
            await app.publish("t", body, key=key)
        await until(lambda: len(seen) == 2)
        await turns()
        assert seen == ["bad", "b1"]
        await t.advance(10)
        assert seen == ["bad", "b1", "bad"]
        await t.advance(10)
        await t.settle()

    assert seen == ["bad", "b1", "bad", "bad", "a2"]


async def test_a_key_is_given_up_after_its_time_and_that_is_told(
    app: App, events: list[AppEvent]
) -> None:
    """The message goes back with its delay; later ones of the key pass it."""
    seen, _ = collect(app, max_block_s=15)

    async with app.test() as t:
        await app.publish("t", "bad", key="a", message_id="m1")
        await app.publish("t", "a2", key="a")
        await t.advance(10)
        await until(lambda: len(seen) == 3)
        assert seen == ["bad", "bad", "a2"]
        assert OrderGivenUp("t", "g", "a", "m1") in events
        await t.advance(10)
        await t.settle()

    assert seen == ["bad", "bad", "a2", "bad"]


async def test_a_message_without_a_key_holds_nobody(app: App) -> None:
    """It is retried over the backend as without order."""
    seen, _ = collect(app)

    async with app.test() as t:
        await app.publish("t", "bad")
        await app.publish("t", "next")
        await t.settle()
        assert seen == ["bad", "next"]
        await t.advance(10)
        await t.settle()

    assert seen == ["bad", "next", "bad"]


async def test_a_released_message_keeps_its_key_while_it_waits(app: App) -> None:
    """It comes again before those behind it."""
    seen: list[str] = []

    @app.subscriber("t", group="g", order="key", prefetch=10)
    async def handle(body: str) -> Release | None:
        seen.append(body)
        return Release() if seen.count("a1") < 3 and body == "a1" else None

    async with app.test() as t:
        await app.publish("t", "a1", key="a")
        await app.publish("t", "a2", key="a")
        for _ in range(5):
            await t.advance(1)
        await t.settle()

    assert seen == ["a1", "a1", "a1", "a2"]


async def test_what_is_held_at_the_end_goes_back_to_its_group(app: App, url: str) -> None:
    """Nothing that waited in this process is lost with it, nor what waited behind it."""
    seen, _ = collect(app)
    other = App(url)
    again: list[str] = []

    @other.subscriber("t", group="g", order="key")
    async def handle(body: str, delivery: Delivery) -> None:
        again.append(body)

    async with app:
        for body in ("bad", "a2"):
            await app.publish("t", body, key="a")
        await until(lambda: seen == ["bad"])
        await turns()
    async with other:
        await until(lambda: len(again) == 2)

    assert again == ["bad", "a2"]
