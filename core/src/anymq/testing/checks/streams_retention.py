"""Streams that are bounded: what is kept, and what becomes of who was too slow."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from anymq.errors import UnsupportedError
from anymq.events import RecordsLost
from anymq.streams.starts import after
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.stream_app import Feed, feed, joined, numbers

__all__: list[str] = []

KEPT = 50
WRITTEN = 1000
"""Much more than is kept, in batches: servers trim by the block."""
SLACK = 10
"""How many times as much as asked a server may keep."""


async def _bounded(bench: Bench, body: Callable[[Feed], Coroutine[Any, Any, None]]) -> None:
    """Run on a stream with ``max_records``; where there is none, see that it is refused."""
    try:
        async with feed(bench, "bounded", max_records=KEPT) as log:
            await body(log)
        return
    except UnsupportedError as error:
        expect("max_records" in str(error), f"the refusal does not name max_records: {error}")
    for limit in ({"max_bytes": 10_000_000}, {"max_age_s": 86400.0}):
        try:
            async with feed(bench, "bounded", **limit) as log:
                await log.fill(range(3))
                found = numbers(await log.read())
                expect(found == [0, 1, 2], f"within {limit} came {found}")
            return
        except UnsupportedError:
            continue
    raise CheckFailed("neither max_records nor max_bytes nor max_age_s can be had")


async def _overflow(log: Feed) -> None:
    for begin in range(100, 100 + WRITTEN, 100):
        await log.fill(range(begin, begin + 100))


@check("STR-10", "deleted_entry_in_pending_list", family="stream")
async def trimmed_in_hand(bench: Bench) -> None:
    """Records that retention took out of a dead member's hands block nobody."""
    await _bounded(bench, _check_in_hand)


async def _check_in_hand(log: Feed) -> None:
    await log.fill(range(20))
    async with joined(log, commit="manual") as dead:
        records = await dead.take(10)
        dead.done(records[:2])
        await dead.reading.commit()
        await _overflow(log)
        await dead.reading.abandon()
        kept = numbers(await log.read())
        async with joined(log) as member:
            found = numbers(await member.take(len(kept)))
    expect(found == kept, f"behind what was trimmed came {len(found)} records, not what is kept")


@check("STR-11", "retention_trimming", family="stream")
async def retention(bench: Bench) -> None:
    """The length is bounded as configured; who had more to read is told how much was lost."""
    await _bounded(bench, _check_retention)


async def _check_retention(log: Feed) -> None:
    await log.fill(range(20))
    first = await log.read()
    async with joined(log, "slow") as member:
        await member.take(6)
    await _overflow(log)
    kept = numbers(await log.read())
    expect(KEPT <= len(kept) <= SLACK * KEPT, f"{len(kept)} are kept with max_records={KEPT}")
    expect(kept == list(range(kept[0], 100 + WRITTEN)), "what is kept has holes")
    written = [*range(20), *range(100, 100 + WRITTEN)]
    for done in (5, 20):
        gone = [value for value in written[done:] if value < kept[0]]
        await _check_told(log, first[done - 1].position, kept, len(gone))
    await _check_group_told(log, written, kept)


async def _check_told(log: Feed, position: str, kept: list[int], lost: int) -> None:
    reading = log.handle.read(after(position), follow=False)
    heard = len(log.bench.events)
    found = numbers([record async for record in reading])
    expect(found == kept, f"behind a position that retention has passed came {len(found)} records")
    told = [e for e in log.bench.events[heard:] if isinstance(e, RecordsLost)]
    counts = [event.count for event in told]
    expect(sum(counts) == lost, f"of {lost} records that were lost it was told: {counts}")
    expect(reading.lost == lost, f"the reader counts {reading.lost} lost records, not {lost}")
    wrong = [e for e in told if (e.stream, e.group) != (log.handle.name, None)]
    expect(not wrong, f"it was told of another stream or group: {wrong}")


async def _check_group_told(log: Feed, written: list[int], kept: list[int]) -> None:
    heard = len(log.bench.events)
    async with joined(log, "slow") as member:
        found = numbers(await member.take(len(kept)))
    expect(found == kept, f"a group that was too slow went on with {found[:3]}, not {kept[:3]}")
    told = [e for e in log.bench.events[heard:] if isinstance(e, RecordsLost)]
    lost = len([value for value in written[5:] if value < kept[0]])
    expect(
        [(e.group, e.count) for e in told] == [("slow", lost)],
        f"of {lost} records that the group lost it was told: {told}",
    )
