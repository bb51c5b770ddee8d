"""Members of a stream's group come and go while records come."""

from __future__ import annotations

import asyncio

from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_app import Feed, Member, feed, joined, partition_counts

__all__: list[str] = []

Seen = list[tuple[int, int]]
"""Partition and value of every record that came to any member."""

IN_FLIGHT = 2
"""Each member works on one record; one joining and one leaving may each bring it again."""


@check("GRP-08", "member_joins_no_loss", family="stream", limit_s=45.0)
async def members_join(bench: Bench) -> None:
    """One member per partition, the others stand by; joining and leaving lose nothing."""
    for partitions in await partition_counts(bench):
        async with feed(bench, partitions=partitions) as log:
            seen: Seen = []
            total = await _come_and_go(log, seen, partitions)
            _check(seen, total, partitions)


async def _come_and_go(log: Feed, seen: Seen, partitions: int) -> int:
    """Write while members come and go; how many records, all of which were seen."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks, joined(log) as first:
        writing = tasks.create_task(_write(log, stop))
        reading = tasks.create_task(_collect(first, seen))
        await _change(log, first, seen, partitions)
        stop.set()
        total = await writing
        await log.bench.wait(lambda: len(set(seen)) >= total, f"{total} records", 10)
        reading.cancel()
    return total


async def _change(log: Feed, first: Member, seen: Seen, partitions: int) -> None:
    """A second member joins, reads with the first, and leaves."""
    everything = range(partitions)
    await first.has(*everything)
    async with asyncio.TaskGroup() as tasks, joined(log) as second:
        mine: Seen = []
        reading = tasks.create_task(_collect(second, seen, mine))
        await log.bench.wait(
            lambda: len(second.reading.partitions) == partitions // 2,
            f"a second member to have {partitions // 2} of {partitions} partitions",
            10,
        )
        shared = first.reading.partitions & second.reading.partitions
        expect(not shared, f"two members have the partitions {sorted(shared)}")
        reached = len(seen) + 20
        enough = 5 if second.reading.partitions else 0
        await log.bench.wait(
            lambda: len(seen) >= reached and len(mine) >= enough,
            "records to go on coming, to both members",
            10,
        )
        reading.cancel()
    await first.has(*everything)


async def _write(log: Feed, stop: asyncio.Event) -> int:
    """Append until told to stop; how many."""
    value = 0
    while not stop.is_set():
        numbers = range(value, value + 5)
        await log.fill(numbers, keys=[f"key-{n % 10}" for n in numbers])
        value += 5
        await asyncio.sleep(0.005)
    return value


async def _collect(member: Member, *seen: Seen) -> None:
    async for record in member.reading:
        for one in seen:
            one.append((record.partition, record.value["v"]))
        member.feed.bench.records += 1


def _check(seen: Seen, total: int, partitions: int) -> None:
    values = [value for _, value in seen]
    missing = sorted(set(range(total)) - set(values))
    expect(not missing, f"{len(missing)} of {total} records were lost: {missing[:5]}")
    extra = len(values) - total
    most = IN_FLIGHT * max(1, partitions)
    expect(extra <= most, f"{extra} records came again, with at most {most} in flight")
    for partition in range(partitions):
        first_seen = list(dict.fromkeys(value for home, value in seen if home == partition))
        expect(first_seen == sorted(first_seen), f"partition {partition} came out of order")
