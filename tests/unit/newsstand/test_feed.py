"""The live feed: everybody sees each arrival once, nobody can hold up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from newsstand.errors import FeedFull
from newsstand.live.events import FeedEvent, Notice, Page
from newsstand.live.feed import Feed


async def _next(events: AsyncIterator[FeedEvent]) -> tuple[str, str]:
    event = await asyncio.wait_for(anext(events), timeout=5)
    return event.name, event.data


def _notice(number: int, data: str | None = None) -> Notice:
    return Notice(f"p{number}", str(number), data or str(number))


async def _shown(events: AsyncIterator[FeedEvent], count: int) -> list[str]:
    """So many events, as ``name data@position``."""
    got = [await asyncio.wait_for(anext(events), timeout=5) for _ in range(count)]
    return [f"{one.name} {one.data}@{one.position}" for one in got]


async def test_every_watcher_gets_each_arrival_in_order() -> None:
    """From when it began to watch."""
    feed = Feed("messenger")
    first, second = feed.watch(), feed.watch()
    assert await _next(first) == ("hello", "{}")
    feed.announce(_notice(1, "one"))
    assert await _next(second) == ("hello", "{}")
    feed.announce(_notice(2, "two"))

    assert [await _next(first), await _next(first)] == [("messenger", "one"), ("messenger", "two")]
    assert await _next(second) == ("messenger", "two")


async def test_a_notice_that_comes_twice_is_shown_once() -> None:
    """Backends deliver at least once."""
    feed = Feed("messenger")
    events = feed.watch()
    await _next(events)

    for number in (1, 1, 2, 1):
        feed.announce(_notice(number))

    assert [await _next(events), await _next(events)] == [("messenger", "1"), ("messenger", "2")]


async def test_who_is_too_slow_is_told_and_let_go() -> None:
    """It gets what waited for it, then `lagged`; the others go on."""
    feed = Feed("messenger", capacity=3)
    slow, quick = feed.watch(), feed.watch()
    await _next(slow)
    await _next(quick)

    for number in range(5):
        feed.announce(_notice(number))
        assert await _next(quick) == ("messenger", str(number))

    got = [event.name async for event in slow]
    assert got == ["messenger", "messenger", "messenger", "lagged"]
    assert feed.watchers == 1


async def test_the_end_says_goodbye_to_everybody() -> None:
    """After what still waited; and to whoever comes later, at once."""
    feed = Feed("messenger")
    events = feed.watch()
    await _next(events)
    feed.announce(_notice(1, "one"))

    feed.end()

    assert [event.name async for event in events] == ["messenger", "bye"]
    assert [event.name async for event in feed.watch()] == ["hello", "bye"]
    assert feed.watchers == 0


async def test_a_watcher_that_goes_away_is_forgotten() -> None:
    """Cancelled while it waits, as a server does when the client is gone."""
    feed = Feed("messenger")
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
    feed = Feed("messenger", max_watchers=1)
    feed.check_room()
    events = feed.watch()
    await _next(events)

    with pytest.raises(FeedFull):
        feed.check_room()


async def test_who_comes_back_goes_on_where_it_was() -> None:
    """Out of memory: what it missed, then what comes, each with its place."""
    feed = Feed("messenger")
    feed.begin("p0")
    first = feed.watch()
    assert await _shown(first, 1) == ["hello {}@p0"]
    for number in (1, 2, 3):
        feed.announce(_notice(number))

    for place, missed in (("p0", [1, 2, 3]), ("p2", [3]), ("p3", [])):
        again = feed.watch(place)
        assert await _shown(again, 1 + len(missed)) == [
            "hello {}@None",
            *(f"messenger {number}@p{number}" for number in missed),
        ]
        await again.aclose()  # type: ignore[attr-defined]

    again = feed.watch("p3")
    await _shown(again, 1)
    feed.announce(_notice(4))
    assert await _shown(again, 1) == ["messenger 4@p4"]


async def test_a_newcomer_is_told_where_it_begins() -> None:
    """So that it misses nothing if it is cut off before the first arrival."""
    feed = Feed("messenger")
    assert await _shown(feed.watch(), 1) == ["hello {}@None"]  # nobody knows yet
    feed.remember(_notice(7))
    feed.begin("p8")

    assert await _shown(feed.watch(), 1) == ["hello {}@p7"]


async def test_what_memory_no_longer_has_comes_from_history() -> None:
    """Page by page; what is announced meanwhile comes behind it, and nothing twice."""
    feed = Feed("messenger", kept=2)
    feed.begin("p10")

    async def history(position: str) -> Page:
        number = int(position[1:])
        if number == 1:
            return Page([_notice(2), _notice(3), _notice(2)], "p3", is_last=False)
        feed.announce(_notice(12))  # the stream had it, and the feed hears of it only now
        feed.announce(_notice(13))
        return Page([_notice(11), _notice(12)], "p12", is_last=True)

    events = feed.watch("p1", history)

    assert await _shown(events, 6) == [
        "hello {}@None",
        *(f"messenger {number}@p{number}" for number in (2, 3, 11, 12, 13)),
    ]
    feed.announce(_notice(14))
    assert await _shown(events, 1) == ["messenger 14@p14"]


async def test_a_record_told_again_is_not_shown_again_from_history() -> None:
    """The first one is behind the watcher."""
    feed = Feed("messenger")
    feed.remember(_notice(5))
    feed.begin("p5")

    async def history(_position: str) -> Page:
        return Page([Notice("p9", "5", "again"), _notice(10)], "p10", is_last=True)

    events = feed.watch("p4", history)

    assert await _shown(events, 2) == ["hello {}@None", "messenger 10@p10"]


@pytest.mark.parametrize(("lost", "told"), [(3, '{"lost": 3}@None'), (None, '{"lost": null}@p5')])
async def test_what_can_no_longer_be_told_is_told(lost: int | None, told: str) -> None:
    """How much, as far as anybody knows; who has no place any more gets the newest."""
    feed = Feed("messenger")
    feed.begin("p5")

    async def history(_position: str) -> Page:
        return Page([], "p5", is_last=True, lost=lost)

    assert await _shown(feed.watch("x", history), 2) == ["hello {}@None", f"gap {told}"]


async def test_without_history_it_is_to_come_back() -> None:
    """Nothing that comes later is shown, or its place would pass over what is missing."""
    feed = Feed("messenger")

    async def history(_position: str) -> None:
        feed.announce(_notice(9))

    assert [event.name async for event in feed.watch("p1", history)] == ["hello", "lagged"]


async def test_what_comes_while_history_is_read_has_its_bounds() -> None:
    """Too much of it: what was read stands, and the watcher comes back from there."""
    feed = Feed("messenger", capacity=2)

    async def history(position: str) -> Page:
        for number in range(100, 110):
            feed.announce(_notice(number))
        return Page([_notice(2)], "p2", is_last=False)

    events = feed.watch("p1", history)

    assert [event.data async for event in events] == ["{}", "2", "{}"]
