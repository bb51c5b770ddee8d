"""Appending and reading: everything once, unchanged, in its own stream, and no waiting in vain."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from anymq.abc import Record, StreamReader
from anymq.abc.stream import LATEST
from anymq.message import Message
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_probe import Log, declared, ids, opened, same, within

__all__: list[str] = []

BUSY = 0.2
"""The part of a wait that a receive may compute; a busy loop takes all that the machine gives."""


@check("DEL-01", "publish_subscribe_round_trip", family="stream")
async def round_trip(bench: Bench) -> None:
    """What one connection appends, alone and in batches, another one reads: all, unchanged."""
    async with opened(bench) as log, bench.stream() as stream:
        other = Log(bench, stream, log.name)
        sent = log.messages(50, headers={"place": "Zürich"}, key="k", correlation_id="c")
        for message in sent[:10]:
            await log.append([message])
        await log.append(sent[10:])
        async with other.reader() as reader:
            got = await log.take(reader, 50)
            same(sent, got)
            await log.nothing_more(reader)
        same(sent, await log.read())
        _check_facts(got)


@check("DEL-02", "no_extra_messages", family="stream")
async def each_once(bench: Bench) -> None:
    """Each record comes exactly once, though receives are cancelled at any moment."""
    async with opened(bench) as log, log.reader(prefetch=20) as reader:
        got: list[Record] = []
        sent: list[Message] = []
        for number in range(24):
            got += await log.take(reader, len(sent) - len(got))
            sent += await _append_and_cancel(log, reader, got, number)
        got += await log.take(reader, len(sent) - len(got))
        same(sent, got)
        more = await log.fill(100, first=1000)
        same(more, await log.take(reader, 100))
        await log.nothing_more(reader)


async def _append_and_cancel(
    log: Log, reader: StreamReader, got: list[Record], number: int
) -> list[Message]:
    """Append while a receive waits, and cancel it some turns or milliseconds later."""
    messages = log.messages(3, first=3 * number)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(log.receive(reader, 100, 20.0))
        await asyncio.sleep(0)
        await log.append(messages)
        for _ in range(number % 6):
            await asyncio.sleep(0)
        if number >= 12:
            await asyncio.sleep(0.001 * (number - 12))
        task.cancel()
    if not task.cancelled():
        got += task.result()
    return messages


@check("DEL-03", "message_id_is_stable_and_unique", family="stream")
async def stable_ids(bench: Bench) -> None:
    """Ids and positions are the same for every reader; positions differ between records."""
    async with opened(bench) as log:
        sent = [*log.messages(10), bench.message(log.name, b"10", id="chosen by the user/1")]
        told = await log.append(sent)
        first, second = await log.read(), await log.read(prefetch=1)
        same(sent, first)
        same(sent, second)
        positions = [record.position for record in first]
        expect(len(set(positions)) == 11, "two records have one position")
        again = [record.position for record in second]
        expect(positions == again, "the same records had other positions for another reader")
        wrong = [
            one for one, other in zip(told, positions, strict=True) if one not in (None, other)
        ]
        expect(not wrong, f"append told {wrong[:2]}, and the records say otherwise")


@check("DEL-04", "topic_isolation", family="stream")
async def isolation(bench: Bench) -> None:
    """Two streams, appended to in the same batches: each has its own, and its own positions."""
    async with opened(bench, "one") as one:
        two = await declared(bench, one.stream, "two")
        mine, theirs = one.messages(20), two.messages(20)
        mixed = [message for pair in zip(mine, theirs, strict=True) for message in pair]
        await one.append(mixed)
        async with one.reader() as first, two.reader() as second:
            same(mine, await one.take(first, 20))
            same(theirs, await two.take(second, 20))
            await one.nothing_more(first)
            await two.nothing_more(second)
        await one.stream.commit(one.name, "g", (await one.read())[9].position)
        found = await two.stream.committed(two.name, "g")
        expect(found is None, f"a commit to one stream moved the group of another to {found!r}")


@check("DEL-05", "many_topics_concurrently", family="stream")
async def many_streams(bench: Bench) -> None:
    """20 streams of 100 records, appended to and read at the same time."""
    async with bench.stream() as stream:
        logs = [await declared(bench, stream, f"n{n}") for n in range(20)]
        async with asyncio.TaskGroup() as group:
            for log in logs:
                group.create_task(_fill_and_follow(log))


async def _fill_and_follow(log: Log) -> None:
    async with log.reader(LATEST) as reader:
        sent = [*await log.fill(50), *await log.fill(50, first=50)]
        same(sent, await log.take(reader, 100, limit_s=15))
        await log.nothing_more(reader)


@check("DEL-07", "empty_destination_idle", family="stream")
async def empty_is_idle(bench: Bench) -> None:
    """Nothing there: an empty receive at its time, without a busy loop and without holding up
    others; an append wakes it."""
    async with opened(bench) as log, log.reader() as reader:
        for wait_s in (0.0, 0.4):
            await _wait_in_vain(log, reader, wait_s)
        same([], await log.read())
        async with bench.stream() as stream, asyncio.TaskGroup() as group:
            for writer in (log, Log(bench, stream, log.name)):
                task = group.create_task(log.receive(reader, 10, 20.0))
                await bench.quiet()
                began = time.monotonic()
                sent = await writer.fill(1)
                got = await within(bench, task, "a waiting receive, after an append,", 3)
                late = time.monotonic() - began
                same(sent, got)
                expect(late < bench.limit(1.0), f"an append woke a receive only after {late:.2f} s")


async def _wait_in_vain(log: Log, reader: StreamReader, wait_s: float) -> None:
    bench = log.bench
    ticks = Counter[str]()
    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(_tick(ticks))
        began, spent = time.monotonic(), time.process_time()
        got = await log.receive(reader, 10, wait_s)
        took, spent = time.monotonic() - began, time.process_time() - spent
        ticking.cancel()
    expect(not got, f"receive on an empty stream gave {len(got)} records")
    expect(not reader.is_at_end, "a reader that follows says that it is at its end")
    expect(took >= wait_s * 0.9, f"receive(wait_s={wait_s}) came back after {took:.3f} s")
    expect(took < wait_s + bench.limit(1.0), f"receive(wait_s={wait_s}) took {took:.3f} s")
    expect(spent <= max(0.05, took * BUSY), f"{spent:.2f} s of computing in a wait of {took:.2f} s")
    enough = ticks["tick"] >= wait_s * 10
    expect(enough, f"others ran only {ticks['tick']} times in a wait of {took:.2f} s")


async def _tick(ticks: Counter[str]) -> None:
    while True:
        ticks["tick"] += 1
        await asyncio.sleep(0.01)


def _check_facts(records: Sequence[Record]) -> None:
    """Positions are text, moments are epoch seconds that do not go back, one partition is 0."""
    expect(len(set(ids(records))) == len(records), "two records have one id")
    kinds = {type(record.position) for record in records}
    expect(kinds == {str}, f"positions are no text, but {kinds}")
    expect(all(r.position for r in records), "a position is empty")
    expect({r.partition for r in records} == {0}, "a stream of one partition has another than 0")
    moments = [record.appended_at for record in records]
    expect(moments == sorted(moments), "appended_at goes back")
    day_s = 86_400.0
    wrong = [moment for moment in moments if abs(moment - time.time()) > day_s]
    expect(not wrong, f"appended_at is no epoch seconds: {wrong[:1]}")
