"""Several readers, and slow ones: nobody waits for another, and buffers stay small."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from anymq.abc import Record, StreamReader
from anymq.abc.stream import LATEST
from anymq.errors import UnsupportedError
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_probe import Log, ids, opened, same

__all__: list[str] = []

BODY_BYTES = 4096
OVERLOAD = 2000
"""Records of BODY_BYTES that wait while a reader with a prefetch of ten takes one."""
SLACK_BYTES = 2_000_000
"""What a reader may allocate besides: a quarter of the backlog."""


@check("CON-04", "concurrent_receivers_get_all", family="stream")
async def concurrent_readers(bench: Bench) -> None:
    """Readers share nothing: four at once on one connection get everything, each in order."""
    async with opened(bench) as log, asyncio.TaskGroup() as group:
        sent = await log.fill(100)
        tasks = [group.create_task(_read_in_pieces(log, 200, n + 1)) for n in range(4)]
        sent += await log.fill(100, first=100)
        for task in tasks:
            same(sent, await task)


async def _read_in_pieces(log: Log, count: int, size: int) -> list[Record]:
    got: list[Record] = []
    async with log.reader(prefetch=size) as reader:
        while len(got) < count:
            fresh = await log.receive(reader, size * 3, 5.0)
            expect(fresh, f"only {len(got)} of {count} records came to one of several readers")
            got += fresh
            await asyncio.sleep(0)
        await log.nothing_more(reader)
    return got


@check("CON-05", "prefetch_is_bounded", family="stream")
async def prefetch_bounded(bench: Bench) -> None:
    """A reader holds no more than its prefetch: of what retention removed meanwhile, at most so
    many records still come. Small prefetches read everything nevertheless."""
    async with opened(bench) as log:
        sent = await log.fill(100)
        for prefetch in (1, 7):
            same(sent, await log.read(prefetch=prefetch))
    try:
        async with opened(bench, "bounded", max_records=200) as log:
            await _check_trimmed(log)
    except UnsupportedError as error:
        expect("max_records" in str(error), f"the refusal does not name max_records: {error}")


async def _check_trimmed(log: Log) -> None:
    prefetch = 7
    await log.fill(20)
    async with (
        log.reader(prefetch=prefetch) as reader,
        log.reader(follow=False, prefetch=prefetch) as bounded,
    ):
        begun = ids(await log.take(reader, 1)) + ids(await log.take(bounded, 1))
        await log.bench.quiet()
        await log.fill(2000, first=20)
        kept = ids(await log.read())
        expect(200 <= len(kept) < 1000, f"{len(kept)} records are kept with max_records=200")
        got = ids(await log.take(reader, len(kept)))
        got += ids(await _until_empty(log, reader))
        stale = [one for one in got if one not in set(kept)]
        expect(len(stale) <= prefetch, f"{len(stale)} records were held, with prefetch={prefetch}")
        expect(got[len(stale) :] == kept, "a reader that retention overtook did not go on in order")
        late = ids(await log.rest(bounded))
        beyond = set(late) & set(kept)
        expect(not beyond, f"follow=False gave {len(beyond)} records from behind its end")
        expect(len(late) <= prefetch, f"{len(late)} records were held, with prefetch={prefetch}")
        expect(not set(begun) & set(late + got), "a record came twice")


async def _until_empty(log: Log, reader: StreamReader) -> list[Record]:
    """What more there is, until nothing comes within the quiet window."""
    timings = log.bench.harness.timings
    records: list[Record] = []
    while fresh := await log.receive(reader, 100, timings.quiet_s * timings.scale):
        records += fresh
    return records


@check("CON-06", "slow_consumer_no_memory_growth", family="stream")
async def buffers_bounded(bench: Bench) -> None:
    """A reader far too slow for the backlog does not pull it into memory."""
    async with opened(bench) as log:
        for begin in range(0, OVERLOAD, 100):
            numbers = range(begin, begin + 100)
            bodies = [b"%0*d" % (BODY_BYTES, n) for n in numbers]
            await log.append([bench.message(log.name, body) for body in bodies])
        with _allocations() as growth:
            async with log.reader(prefetch=10) as reader:
                for _ in range(5):
                    await log.take(reader, 1)
                    await bench.quiet()
                grown = growth()
        backlog = OVERLOAD * BODY_BYTES
        expect(grown < SLACK_BYTES, f"{grown} bytes of {backlog} were pulled with prefetch=10")


@contextmanager
def _allocations() -> Iterator[_Growth]:
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        yield _Growth()
    finally:
        if not was_tracing:
            tracemalloc.stop()


class _Growth:
    """Bytes that Python has allocated since it was made and still holds."""

    def __init__(self) -> None:
        gc.collect()
        self._before = tracemalloc.get_traced_memory()[0]

    def __call__(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - self._before


@check("GRP-10", "slow_subscriber_does_not_block_others", family="stream")
async def slow_reader(bench: Bench) -> None:
    """A reader that stopped reading holds up neither those who append nor another reader."""
    async with opened(bench) as log, log.reader(LATEST, prefetch=2) as stuck:
        first = await log.fill(10)
        begun = await log.take(stuck, 1)
        async with log.reader(LATEST) as other:
            sent = await log.fill(3000, first=10)
            same(sent, await log.take(other, 3000, limit_s=15))
        await log.stream.commit(log.name, "slow", begun[0].position)
        got = [*begun, *await log.take(stuck, 3009, limit_s=15)]
        same([*first, *sent], got)
