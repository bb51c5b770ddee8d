"""Faults that an application lives through on one file, by their numbers."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from anymq import App, RetryPolicy
from anymq.errors import BackendUnavailable
from tests.unit.sqlite.bench import CALL_S, Bench, bodies


async def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """F05: start fails at once, says what to do, and makes nothing."""
    folder = tmp_path / "missing"
    with pytest.raises(BackendUnavailable, match="its folder does not exist: make"):
        await Bench(folder / "x.db").broker()
    assert not folder.exists()


async def test_a_handler_longer_than_its_lease_keeps_it(file: Path) -> None:
    """F10: renewed meanwhile, so handled once, though a second consumer waits for it."""
    app = App(f"sqlite:///{file}?lease_s=0.6")
    app.topic("jobs")
    handled: Counter[int] = Counter()
    done = asyncio.Event()

    @app.subscriber("jobs", group="workers", concurrency=2)
    async def handle(number: int) -> None:
        handled[number] += 1
        await asyncio.sleep(1.5)  # two leases and a half
        done.set()

    async with asyncio.timeout(2 * CALL_S), app:
        await app.publish("jobs", 1)
        await done.wait()
        await asyncio.sleep(0.7)  # as long as a lease that was not renewed

    assert handled == {1: 1}


async def test_a_cancelled_receive_takes_nothing_along(bench: Bench) -> None:
    """F13: whenever it is cancelled, what is sent goes to the next receive, uncounted."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    for number in range(20):
        body = b"%d" % number
        async with asyncio.TaskGroup() as group:
            receiving = group.create_task(subscription.receive(max_messages=1, wait_s=CALL_S))
            await asyncio.sleep(0)
            sending = group.create_task(bench.send(broker, bench.message(body)))
            await asyncio.sleep(0.0002 * number)
            receiving.cancel()
            await sending
        got = [] if receiving.cancelled() else list(receiving.result())
        got = got or await bench.take(subscription, 1)
        assert bodies(got) == [body]
        assert got[0].delivery_count == 1
        await bench.settle(subscription, *got)


async def test_what_always_fails_ends_among_the_dead(file: Path) -> None:
    """F11: handled ``max_attempts`` times, then a dead letter with its reason and its bytes; all
    others are handled once, and meanwhile."""
    app = App(f"sqlite:///{file}")
    app.topic("jobs")
    handled: Counter[int] = Counter()
    retry = RetryPolicy(max_attempts=3, first_delay_s=0.02)

    @app.subscriber("jobs", group="workers", retry=retry)
    async def handle(number: int) -> None:
        handled[number] += 1
        if number % 50 == 7:
            raise ValueError("as always")

    bench = Bench(file)
    async with asyncio.timeout(2 * CALL_S), app:
        await app.publish_many("jobs", list(range(100)))
        while bench.query("SELECT count(*) FROM dead") != [(2,)]:  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(0.01)
        while bench.query("SELECT count(*) FROM queue") != [(0,)]:  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(0.01)
        dead = await app.dead_letters.entries("jobs", "workers")

    assert sorted(entry.message.body for entry in dead) == [b"57", b"7"]
    assert {entry.message.meta["anymq-death-reason"] for entry in dead} == {"exhausted: ValueError"}
    assert handled == {number: 3 if number in (7, 57) else 1 for number in range(100)}
