"""Watchers that were cut off: they go on where they were, whatever became of the process."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from newsstand.desk import Desk, build_desk
from newsstand.live import follower
from newsstand.live.events import FeedEvent
from newsstand.messengers.models import Messenger
from newsstand.settings import load_settings
from newsstand.storage.storage import Storage
from tests.unit.newsstand.waiting import LIMIT_S, until

CUTS = 40


Running = Callable[[], AbstractAsyncContextManager[Desk]]


@pytest.fixture
def running(seeded: Storage, database_url: str, tmp_path: Path) -> Running:
    """Desks, one after the other, whose database and log outlive them."""
    del seeded
    settings = load_settings(database=database_url, messaging=f"sqlite:///{tmp_path}/messaging.db")

    @asynccontextmanager
    async def run() -> AsyncIterator[Desk]:
        desk = build_desk(settings)
        async with desk.running():

            async def is_live() -> bool:
                return desk.arrivals.is_following

            await until(is_live)
            yield desk

    return run


def _watch(desk: Desk, after: str | None) -> AsyncIterator[FeedEvent]:
    return desk.arrivals.watch(after)


async def _read(desk: Desk, after: str | None, count: int) -> tuple[list[int], str | None]:
    """The next so many messengers, and where that watcher is then."""
    got: list[int] = []
    events = _watch(desk, after)
    async with asyncio.timeout(LIMIT_S):
        async for event in events:
            after = event.position or after
            if event.name == "messenger":
                got.append(json.loads(event.data)["messenger"]["id"])
            if len(got) == count:
                break
    await events.aclose()  # type: ignore[attr-defined]
    return got, after


async def _announce(desk: Desk, numbers: range) -> None:
    for number in numbers:
        await desk.flow.announce(Messenger(id=number))


async def test_a_watcher_that_is_cut_off_again_and_again_misses_nothing(
    running: Running,
) -> None:
    """At random moments; the process goes on."""
    chance = random.Random(5)
    seen: list[int] = []
    async with running() as desk:
        place: str | None = await desk.flow.added.end()
        told = 0
        for _ in range(CUTS):
            more = chance.randrange(1, 6)
            await _announce(desk, range(told, told + more))
            told += more
            got, place = await _read(desk, place, chance.randrange(1, told - len(seen) + 1))
            seen += got
        got, _ = await _read(desk, place, told - len(seen))

    assert seen + got == list(range(told))


async def test_it_goes_on_after_a_restart(running: Running) -> None:
    """With what the new process remembers, and with what only the log still has."""
    async with running() as desk:
        start = await desk.flow.added.end()
        await _announce(desk, range(5))
        got, place = await _read(desk, start, 3)

    async with running() as desk:
        await _announce(desk, range(5, 7))
        assert got + (await _read(desk, place, 4))[0] == list(range(7))


async def test_what_only_the_log_has_is_read_from_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page; then what arrives."""
    monkeypatch.setattr(follower, "WARM_S", -60)  # a new process remembers nothing
    monkeypatch.setattr(follower, "PAGE", 10)
    async with running() as desk:
        start = await desk.flow.added.end()
        await _announce(desk, range(35))

    async with running() as desk:
        await _announce(desk, range(35, 37))
        assert (await _read(desk, start, 37))[0] == list(range(37))


async def test_a_place_that_is_none_is_told(running: Running) -> None:
    """A gap of unknown size; what arrives from then on is shown."""
    async with running() as desk:
        events = _watch(desk, "no such place")
        assert (await anext(events)).name == "hello"
        gap = await asyncio.wait_for(anext(events), LIMIT_S)
        assert (gap.name, gap.data) == ("gap", '{"lost": null}')
        assert gap.position == await desk.flow.added.end()
        await _announce(desk, range(1))
        shown = await asyncio.wait_for(anext(events), LIMIT_S)
        await events.aclose()  # type: ignore[attr-defined]

    assert json.loads(shown.data)["messenger"]["id"] == 0


async def test_a_record_that_nobody_can_read_stops_no_feed(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out, and said."""
    async with running() as desk:
        start = await desk.flow.added.end()
        await desk.messaging.stream("messengers.added").append({"nonsense": True})
        await _announce(desk, range(1))
        got, _ = await _read(desk, start, 1)

    assert got == [0]
    assert "is left out" in caplog.text
