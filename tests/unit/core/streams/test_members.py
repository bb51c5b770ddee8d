"""Members of a group: who has what, what is done, and what becomes of it when one goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from anymq import EARLIEST, LATEST, App, BackendUnavailable, ClosedError, ConfigError, InvalidState
from anymq.events import AppEvent, RecordsLost
from anymq.streams.group import GroupReading
from anymq.streams.handle import StreamHandle

LEASE_S = 0.4


@pytest.fixture
async def stream(app: App) -> AsyncIterator[StreamHandle[Any]]:
    """A stream of three partitions with 30 records, ten keys among them."""
    handle = app.stream("s", partitions=3)
    async with app:
        await handle.append_many(range(30), keys=[f"key-{n % 10}" for n in range(30)])
        yield handle


async def take(member: GroupReading[Any], count: int) -> list[Any]:
    """The values of the next records; the last one is not done."""
    records = member.__aiter__()
    async with asyncio.timeout(5):
        return [(await anext(records)).value for _ in range(count)]


async def shared(*members: GroupReading[Any]) -> None:
    """Wait until all partitions are taken, evenly."""
    async with asyncio.timeout(5):
        while True:
            sizes = sorted(len(member.partitions) for member in members)
            if sum(sizes) == 3 and sizes[-1] - sizes[0] <= 1:
                return
            await asyncio.sleep(0.005)


async def test_partitions_are_shared_and_nobody_has_one_twice(stream: StreamHandle[Any]) -> None:
    """Three members have one each; a fourth stands by until one leaves."""
    async with asyncio.timeout(10):
        members = [stream.group("g", lease_s=LEASE_S, commit="manual") for _ in range(4)]
        for member in members:
            await member.__aenter__()
        await shared(*members)
        owned = [p for member in members for p in member.partitions]
        idle = next(member for member in members if not member.partitions)
        await next(member for member in members if member.partitions).aclose()
        await until_true(lambda: len(idle.partitions) == 1)
        for member in members:
            await member.aclose()

    assert sorted(owned) == [0, 1, 2]


async def until_true(condition: Any) -> None:
    """Wait for what takes real time."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a lease has to pass
            await asyncio.sleep(0.005)


async def test_a_dead_member_is_followed_after_its_lease(stream: StreamHandle[Any]) -> None:
    """What it had not done comes to the other one; what it had, does not."""
    loop = asyncio.get_running_loop()
    async with stream.group("g", lease_s=LEASE_S, commit="manual") as dead:
        records = dead.__aiter__()
        for _ in range(10):
            assert dead.done(await anext(records))
        await dead.commit()
        async with stream.group("g", lease_s=LEASE_S, commit="manual") as member:
            await dead.abandon()
            began = loop.time()
            await until_true(lambda: len(member.partitions) == 3)
            took_s = loop.time() - began
            rest = await take(member, 20)

    assert took_s < 4 * LEASE_S
    assert len(set(rest)) == 20


async def test_a_member_that_cannot_beat_stops_before_others_take_over(
    stream: StreamHandle[Any], app: App
) -> None:
    """Its partitions are nobody's for a moment, never two members'; it joins again by itself."""
    async with stream.group("g", lease_s=LEASE_S, commit="manual") as member:
        await until_true(lambda: len(member.partitions) == 3)
        narrow: Any = await app._lifecycle.streams.ready()
        append = narrow.append

        async def lost(*_: Any, **__: Any) -> Any:
            raise BackendUnavailable("on purpose")

        narrow.append = lost
        await until_true(lambda: not member.partitions)
        narrow.append = append
        await until_true(lambda: len(member.partitions) == 3)
        found = await take(member, 30)

    assert sorted(found) == list(range(30))


async def test_who_was_declared_dead_joins_again(stream: StreamHandle[Any]) -> None:
    """As a process does that was stopped and goes on."""
    async with stream.group("g", lease_s=LEASE_S) as member:
        await until_true(lambda: len(member.partitions) == 3)
        membership = member._membership
        assert membership is not None
        first = membership._id
        await membership._tell(membership._entry("expire", first, 10_000))
        await until_true(lambda: membership._id != first and len(member.partitions) == 3)


async def test_latest_is_where_the_group_began(app: App) -> None:
    """Whoever takes over before the first commit misses nothing that came meanwhile."""
    stream = app.stream("one")
    async with app:
        await stream.append("before")
        async with stream.group("g", start=LATEST, lease_s=LEASE_S, commit="manual") as dead:
            await until_true(lambda: dead.partitions)
            await stream.append("after")
            await dead.abandon()
        async with stream.group("g", start=LATEST, lease_s=LEASE_S) as member:
            assert await take(member, 1) == ["after"]


async def test_records_are_done_when_the_next_is_asked_for(app: App) -> None:
    """And the last one is not, if the loop is left by break."""
    stream = app.stream("one")
    async with app:
        await stream.append_many(range(5))
        async with stream.group("g") as member:
            async for record in member:
                if record.value == 2:
                    break
        async with stream.group("g") as member:
            assert await take(member, 1) == [2]
        assert [r.value async for r in stream.read(EARLIEST, follow=False)] == [0, 1, 2, 3, 4]


async def test_closing_ends_the_loop(app: App) -> None:
    """Of the member, whoever closes it; calls after that say so."""
    stream = app.stream("one")
    async with app:
        member = stream.group("g")
        with pytest.raises(InvalidState, match="async with"):
            await anext(member.__aiter__())
        async with member:
            with pytest.raises(InvalidState, match="open already"):
                await member.__aenter__()
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(take_all(member))
                await until_true(lambda: member.partitions)
                await member.aclose()
            assert reading.result() == []
            with pytest.raises(ClosedError):
                await member.commit()
        await member.aclose()


async def take_all(member: GroupReading[Any]) -> list[Any]:
    """Everything until the end."""
    return [record.value async for record in member]


async def test_stopping_the_application_stores_what_is_done(app: App) -> None:
    """Its members leave with it."""
    stream = app.stream("one")
    await app.start()
    await stream.append_many(range(5))
    member = await stream.group("g", commit="manual", commit_every_s=60).__aenter__()
    records = member.__aiter__()
    for _ in range(3):
        member.done(await anext(records))
    await app.stop()
    await app.start()
    async with stream.group("g") as again:
        assert await take(again, 1) == [3]
    await app.close()


async def test_what_was_lost_is_told_of_the_group(app: App, events: list[AppEvent]) -> None:
    """How much, and behind which position."""
    stream = app.stream("short", max_records=10)
    async with app:
        await stream.append_many(range(5))
        async with stream.group("g") as member:
            await take(member, 3)
        await stream.append_many(range(5, 40))
        async with stream.group("g") as member:
            assert await take(member, 10) == list(range(30, 40))

    lost = [event for event in events if isinstance(event, RecordsLost)]
    assert lost == [RecordsLost("short", "g", 28, "2")]


@pytest.mark.parametrize(
    "options", [{"commit": "sometimes"}, {"lease_s": 0}, {"commit_every_s": -1}, {"name": "No"}]
)
async def test_mistakes_are_told_at_once(app: App, options: dict[str, Any]) -> None:
    """By name."""
    stream = app.stream("one")
    async with app:
        with pytest.raises(ConfigError):
            stream.group(**{"name": "g", **options})


async def test_a_reader_that_was_given_up_is_opened_again(app: App) -> None:
    """Behind the last record; nobody notices but by the wait."""
    stream = app.stream("one")
    async with app, stream.read(LATEST) as reading:
        await stream.append(1)
        reader: Any = reading._reader

        async def lost(**_: Any) -> Any:
            raise BackendUnavailable("on purpose")

        reader.receive = lost
        assert [record.value for record in await reading.receive()] == [1]
        assert reading._reader is not reader
