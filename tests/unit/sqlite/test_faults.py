"""Faults that an application lives through on one file, by their numbers."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from anymq import App
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
