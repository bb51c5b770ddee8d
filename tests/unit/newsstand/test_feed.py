"""The live feed: everybody sees each arrival once, nobody can hold up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from newsstand.errors import FeedFull
from newsstand.live.feed import Feed, FeedEvent


async def _next(events: AsyncIterator[FeedEvent]) -> tuple[str, str]:
    event = await asyncio.wait_for(anext(events), timeout=5)
    return event.name, event.data


async def test_every_watcher_gets_each_arrival_in_order() -> None:
    """From when it began to watch."""
    feed = Feed()
    first, second = feed.watch(), feed.watch()
    assert await _next(first) == ("hello", "{}")
    feed.announce("1", "one")
    assert await _next(second) == ("hello", "{}")
    feed.announce("2", "two")

    assert [await _next(first), await _next(first)] == [("messenger", "one"), ("messenger", "two")]
    assert await _next(second) == ("messenger", "two")


async def test_a_notice_that_comes_twice_is_shown_once() -> None:
    """Backends deliver at least once."""
    feed = Feed()
    events = feed.watch()
    await _next(events)

    for notice in ("1", "1", "2", "1"):
        feed.announce(notice, notice)

    assert [await _next(events), await _next(events)] == [("messenger", "1"), ("messenger", "2")]


async def test_who_is_too_slow_is_told_and_let_go() -> None:
    """It gets what waited for it, then `lagged`; the others go on."""
    feed = Feed(capacity=3)
    slow, quick = feed.watch(), feed.watch()
    await _next(slow)
    await _next(quick)

    for number in range(5):
        feed.announce(str(number), str(number))
        assert await _next(quick) == ("messenger", str(number))

    got = [event.name async for event in slow]
    assert got == ["messenger", "messenger", "messenger", "lagged"]
    assert feed.watchers == 1


async def test_the_end_says_goodbye_to_everybody() -> None:
    """After what still waited; and to whoever comes later, at once."""
    feed = Feed()
    events = feed.watch()
    await _next(events)
    feed.announce("1", "one")

    feed.end()

    assert [event.name async for event in events] == ["messenger", "bye"]
    assert [event.name async for event in feed.watch()] == ["hello", "bye"]
    assert feed.watchers == 0


async def test_a_watcher_that_goes_away_is_forgotten() -> None:
    """Cancelled while it waits, as a server does when the client is gone."""
    feed = Feed()
    watching = asyncio.Event()

    async def watch() -> None:
        async for _ in feed.watch():
            watching.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch())
        await watching.wait()
        assert feed.watchers == 1
        task.cancel()

    assert feed.watchers == 0


async def test_only_so_many_may_watch() -> None:
    """The next one is told to come back."""
    feed = Feed(max_watchers=1)
    feed.check_room()
    events = feed.watch()
    await _next(events)

    with pytest.raises(FeedFull):
        feed.check_room()
