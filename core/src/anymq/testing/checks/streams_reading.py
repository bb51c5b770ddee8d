"""Reading streams through an application: from where it was asked, and leaving groups alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from anymq.abc.stream import EARLIEST, LATEST
from anymq.streams.starts import after, at
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_app import Feed, feed, joined, numbers, partition_counts

__all__: list[str] = []

COUNT = 40


@check("STR-01", "read_from_earliest", family="stream", needs=("replay",))
async def from_earliest(bench: Bench) -> None:
    """All that is there, in order; then, following, what comes. A repeated id comes once."""
    async with feed(bench) as log:
        await log.fill(range(COUNT - 1))
        await log.append(COUNT - 1)
        found = numbers(await log.read(EARLIEST))
        expect(found == list(range(COUNT)), f"from the earliest came {found}")
        records = log.handle.read(EARLIEST).__aiter__()
        try:
            await log.take(records, COUNT)
            await log.fill(range(COUNT, COUNT + 5))
            more = numbers(await log.take(records, 5))
        finally:
            await records.aclose()  # type: ignore[attr-defined]
        expect(more == list(range(COUNT, COUNT + 5)), f"following came {more}")
        await _check_distinct(log)


async def _check_distinct(log: Feed) -> None:
    end = await log.handle.end()
    for value in (1, 2):
        await log.append(value, message_id=f"{log.bench.run_id}-same")
    await log.append(3)
    plain = numbers(await log.read(after(end)))
    distinct = numbers(await log.read(after(end), distinct=True))
    expect(plain == [1, 2, 3], f"an id that was appended twice came as {plain}")
    expect(distinct == [1, 3], f"with distinct=True an id that came twice came as {distinct}")


@check("STR-02", "read_from_latest", family="stream")
async def from_latest(bench: Bench) -> None:
    """Nothing that was there before, all that comes from the opening on."""
    async with feed(bench) as log:
        await log.fill(range(COUNT))
        async with log.handle.read(LATEST) as reading:
            await log.fill(range(COUNT, COUNT + 10))
            records = reading.__aiter__()
            found = numbers(await log.take(records, 10))
            expect(found == list(range(COUNT, COUNT + 10)), f"from the latest came {found}")
            extra = await reading.receive(wait_s=bench.harness.timings.quiet_s)
            expect(not extra, f"from the latest came {len(extra)} records too many")
        rest = await log.read(LATEST)
        expect(not rest, f"to the end, from the latest, came {len(rest)} records")


@check("STR-03", "read_from_offset_and_timestamp", family="stream", needs=("replay", "seek"))
async def from_position_and_time(bench: Bench) -> None:
    """Behind a position that was kept as text, and from a moment: exactly there."""
    async with feed(bench) as log:
        await log.fill(range(COUNT))
        await _until_later(log)
        got = await log.read()
        kept = [str(record.position) for record in got]
        for cut in (0, COUNT // 2, len(got) - 1):
            found = numbers(await log.read(after(kept[cut])))
            wanted = numbers(got[cut + 1 :])
            expect(found == wanted, f"behind record {cut} came {found}, not {wanted}")
        end = await log.handle.end()
        expect(not await log.read(after(end)), "behind the end there is something")
        moment = got[-1].appended_at
        for start in (at(moment), at(datetime.fromtimestamp(moment, UTC))):
            found = numbers(await log.read(start))
            later = numbers([record for record in got if record.appended_at >= start.time])
            expect(found == later, f"from the moment of the last record came {found}, not {later}")
        expect(len(await log.read(at(moment - 3600))) == len(got), "an hour ago there was less")
        expect(not await log.read(at(moment + 3600)), "in an hour there is something already")


async def _until_later(log: Feed) -> None:
    """Append until the backend dates a record later than the first ones."""
    first = (await log.read())[0].appended_at
    value = COUNT

    async def is_later() -> bool:
        nonlocal value
        await log.append(value)
        value += 1
        return (await log.read())[-1].appended_at > first

    await log.bench.wait_async(is_later, "the backend to date a record later", 10)


@check("STR-07", "replay_does_not_disturb_group", family="stream", needs=("replay",))
async def replay_is_apart(bench: Bench) -> None:
    """Readers of their own, from anywhere, move no group, and a group moves no reader."""
    async with feed(bench) as log:
        await log.fill(range(COUNT))
        async with joined(log, commit="manual") as member:
            first = await member.take(10)
            member.done(first)
            await member.reading.commit()
            for start in (EARLIEST, after(first[4].position)):
                await log.read(start)
            async with log.handle.read(LATEST):
                await log.fill(range(COUNT, COUNT + 5))
            rest = numbers(await member.take(COUNT - 5))
            expect(rest == list(range(10, COUNT + 5)), f"the group went on with {rest}")
        again = numbers(await log.read(EARLIEST))
        expect(again == list(range(COUNT + 5)), f"after a group had read came {again}")
        async with joined(log, commit="manual") as member:
            rest = numbers(await member.take(COUNT - 5))
            expect(rest == list(range(10, COUNT + 5)), f"after all that the group began at {rest}")


@check("STR-12", "partition_metadata", family="stream")
async def metadata(bench: Bench) -> None:
    """Each record tells its partition, position, key, headers, and when it was appended."""
    for partitions in await partition_counts(bench):
        async with feed(bench, partitions=partitions) as log:
            await _check_metadata(log, partitions)


async def _check_metadata(log: Feed, partitions: int) -> None:
    keys = [f"key-{n % 7}" for n in range(COUNT)]
    await log.fill(range(COUNT), keys=keys)
    one = await log.append(COUNT, key="key-0", headers={"shop": "north"})
    got = await log.read()
    expect(len(got) == COUNT + 1, f"{len(got)} records of {COUNT + 1}")
    homes: dict[Any, set[int]] = {}
    for record in got:
        expect(0 <= record.partition < partitions, f"partition {record.partition} of {partitions}")
        homes.setdefault(record.key, set()).add(record.partition)
        age = record.appended_at - record.timestamp
        expect(abs(age) < 30, f"a record was appended {age:.3g} s after it was made")
    expect(set(homes) == set(keys), f"the keys came back as {sorted(map(str, homes))}")
    torn = [key for key, found in homes.items() if len(found) > 1]
    expect(not torn, f"records of key {torn[:1]} stand in more than one partition")
    if partitions > 1:
        used = set().union(*homes.values())
        expect(len(used) > 1, f"seven keys stand in partition {used} alone")
    positions = {record.position for record in got}
    expect(len(positions) == len(got), "two records have one position")
    for key in homes:
        found = [record.value["v"] for record in got if record.key == key]
        expect(found == sorted(found), f"the records of key {key!r} came in the order {found}")
    last = next(record for record in got if record.id == one)
    expect(last.headers == {"shop": "north"}, f"headers came back as {last.headers}")
    expect(last.value == log.bench.body(COUNT), "a body changed")
