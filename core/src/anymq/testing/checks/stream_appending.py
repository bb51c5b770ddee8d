"""Appending: what a confirmation means, what is refused, order, and partitions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from anymq.abc import Record, StreamSpec
from anymq.abc.stream import EARLIEST, After
from anymq.errors import TopologyError, UnsupportedError
from anymq.message import Message
from anymq.outcome import Confirmed, Rejected, SendResult
from anymq.support.partitioner import partition_of
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_probe import Log, ids, opened, refused, same, within
from anymq.topology import TopologyMode

__all__: list[str] = []


@check(
    "DEL-08",
    "publish_returns_after_confirm",
    family="stream",
    needs=("publisher_confirms", "persistent"),
)
async def survives(bench: Bench) -> None:
    """After a confirmed append and commit, the death of the backend loses neither."""
    async with opened(bench) as log:
        sent = await log.fill(20)
        half = (await log.read())[9].position
        await log.stream.commit(log.name, "g", half)
        await bench.harness.disrupt("kill")
        await bench.harness.disrupt("restart")
    async with bench.stream() as stream:
        same(sent, await Log(bench, stream, log.name).read())
        found = await stream.committed(log.name, "g")
        expect(found == half, f"a confirmed commit of {half!r} became {found!r}")


@check("DEL-10", "non_existing_destination", family="stream")
async def non_existing(bench: Bench) -> None:
    """append: rejected (not_found) in every mode; ends, reader and verify: TopologyError; and no
    stream comes into being by all that."""
    async with bench.stream() as stream:
        limit_s = bench.limit(5)
        for mode in (TopologyMode.ASSUME, TopologyMode.VERIFY):
            missing = bench.topic("missing")
            declaring = stream.declare([StreamSpec(missing)], mode=mode, timeout_s=limit_s)
            if mode is TopologyMode.VERIFY:
                error = await refused(bench, declaring, TopologyError, "verifying what is missing")
                expect(missing in str(error), f"the error does not name the stream: {error}")
            else:
                await within(bench, declaring, "declare under assume", 6)
            for _ in range(2):
                message = bench.message(missing)
                (result,) = await stream.append([message], timeout_s=limit_s)
                expect(isinstance(result, Rejected), f"append to a missing stream: {result}")
                code = result.code if isinstance(result, Rejected) else ""
                expect(code == "not_found", f"append to a missing stream: rejected with {code!r}")
                await refused(bench, stream.ends(missing), TopologyError, "ends of nothing")
                opening = stream.reader(missing, EARLIEST, follow=False, prefetch=10)
                await refused(bench, opening, TopologyError, "a reader of nothing")


@check("DEL-11", "unroutable_publish_is_reported", family="stream", needs=("publisher_confirms",))
async def unroutable(bench: Bench) -> None:
    """In a batch, just the entries without a stream are rejected, each by itself."""
    async with opened(bench) as log:
        nowhere = bench.topic("nowhere")
        names = (log.name, nowhere, log.name, nowhere, log.name)
        batch = [bench.message(name) for name in names]
        results = await log.stream.append(batch, timeout_s=bench.limit(5))
        kinds = [type(result) for result in results]
        wanted = [Confirmed, Rejected, Confirmed, Rejected, Confirmed]
        expect(kinds == wanted, f"results: {[kind.__name__ for kind in kinds]}")
        codes = {result.code for result in results if isinstance(result, Rejected)}
        expect(codes == {"not_found"}, f"rejected with {codes}")
        same([batch[0], batch[2], batch[4]], await log.read())


@check("DEL-12", "cancelled_publish", family="stream")
async def cancelled(bench: Bench) -> None:
    """A cancelled append raises CancelledError and takes no other with it; one that was cancelled
    before it began stores nothing, and none stores anything twice."""
    async with opened(bench) as log:
        batches = [log.messages(5, first=5 * n) for n in range(20)]
        async with asyncio.timeout(bench.limit(15)), asyncio.TaskGroup() as group:
            tasks = [group.create_task(_append(log, batch)) for batch in batches]
            tasks[3].cancel()
            await asyncio.sleep(0)
            late = {n for n in (7, 11, 15) if not tasks[n].done()}
            for n in late:
                tasks[n].cancel()
        gone = {n for n, task in enumerate(tasks) if task.cancelled()}
        expect(gone == late | {3}, f"appends {sorted(gone)} ended as cancelled, not {late | {3}}")
        counts = Counter(ids(await log.read()))
        for n, batch in enumerate(batches):
            found = [counts[message.id] for message in batch]
            most, least = (0 if n == 3 else 1), (0 if n in gone else 1)
            good = all(least <= count <= most for count in found)
            expect(good, f"the records of append {n} (cancelled: {n in gone}) are there {found}")
        await log.fill(1, first=100)


async def _append(log: Log, batch: Sequence[Message]) -> Sequence[SendResult]:
    results = await log.stream.append(batch, timeout_s=log.bench.limit(10))
    bad = [result for result in results if not isinstance(result, Confirmed)]
    expect(not bad, f"an append that nobody cancelled: {bad[:2]}")
    return results


@check("DEL-13", "concurrent_publishers", family="stream")
async def concurrent_appends(bench: Bench) -> None:
    """20 tasks of 50 appends over two connections: nothing lost, order kept within each task."""
    async with opened(bench) as log, bench.stream() as stream:
        logs = (log, Log(bench, stream, log.name))
        sent = [log.messages(50, key=f"task-{task}") for task in range(20)]

        async def append(task: int) -> None:
            for message in sent[task]:
                await logs[task % 2].append([message])

        async with asyncio.TaskGroup() as group:
            for task in range(20):
                group.create_task(append(task))
        got = await log.read()
        expect(len(got) == 1000, f"{len(got)} of 1000 records")
        for task, messages in enumerate(sent):
            same(messages, [record for record in got if record.message.key == f"task-{task}"])


@check("ORD-01", "single_consumer_order", family="stream")
async def order(bench: Bench) -> None:
    """Appends that overlap keep their order within a key; every reader sees the one order."""
    async with opened(bench) as log:
        sent = log.messages(300, key="one")
        async with asyncio.TaskGroup() as group:
            for begin in range(0, 300, 7):
                group.create_task(log.append(sent[begin : begin + 7]))
        async with log.reader(prefetch=3) as slow:
            got: list[Record] = []
            sizes = [1, 2, 3, 5, 8, 13, 21, 34]
            while len(got) < 300:
                fresh = await log.receive(slow, sizes[len(got) % len(sizes)], 5.0)
                expect(fresh, f"only {len(got)} of 300 records came")
                got += fresh
        same(sent, got)
        same(sent, await log.read())


@check("ORD-05", "null_key_spreads", family="stream")
async def partitions(bench: Bench) -> None:
    """Records without a key reach all partitions, those with one their own; order holds in each,
    none is lost, and a position covers all. A backend without partitions refuses them by name."""
    try:
        async with opened(bench, partitions=3) as log:
            await _check_partitions(log, 3)
            await _check_declared(log, 3)
    except UnsupportedError as error:
        expect("partition" in str(error), f"the refusal does not name partitions: {error}")
        async with opened(bench, partitions=1) as log:
            await _check_partitions(log, 1)


async def _check_declared(log: Log, count: int) -> None:
    """Declaring again, from two connections at once, changes nothing; another number of
    partitions is refused by manage and by verify."""
    before = ids(await log.read())
    limit_s = log.bench.limit(10)
    async with log.bench.stream() as other, asyncio.TaskGroup() as group:
        for stream in (log.stream, other):
            spec = StreamSpec(log.name, partitions=count)
            declaring = stream.declare([spec], mode=TopologyMode.MANAGE, timeout_s=limit_s)
            group.create_task(within(log.bench, declaring, "declaring again", 12))
    for mode in (TopologyMode.MANAGE, TopologyMode.VERIFY):
        spec = StreamSpec(log.name, partitions=count + 1)
        declaring = log.stream.declare([spec], mode=mode, timeout_s=limit_s)
        error = await refused(log.bench, declaring, TopologyError, f"{mode} of another partition")
        expect(log.name in str(error), f"the error does not name the stream: {error}")
    expect(ids(await log.read()) == before, "declaring again changed the stream")


async def _check_partitions(log: Log, count: int) -> None:
    bare = [log.messages(1, first=n, partition=n % count)[0] for n in range(90)]
    keys = [f"key-{n % 10}" for n in range(90)]
    keyed = [log.messages(1, key=key, partition=partition_of(key, count))[0] for key in keys]
    sent = [message for pair in zip(bare, keyed, strict=True) for message in pair]
    await log.append(sent[:100])
    await log.append(sent[100:])
    got = await log.read()
    expect(sorted(ids(got)) == sorted(m.id for m in sent), f"{len(got)} of {len(sent)} records")
    reached = {record.partition for record in got if record.message.key is None}
    expect(reached == set(range(count)), f"records without a key reached partitions {reached}")
    places = {message.id: number for number, message in enumerate(sent)}
    for partition in range(count):
        part = [places[record.message.id] for record in got if record.partition == partition]
        expect(part == sorted(part), f"the order within partition {partition} changed")
    astray = [
        r for r in got if r.message.key and r.partition != sent[places[r.message.id]].partition
    ]
    expect(not astray, f"{len(astray)} records are not in their key's partition")
    await _check_positions(log, got)


async def _check_positions(log: Log, got: Sequence[Record]) -> None:
    """After each position come just the records that its reader had not returned yet."""
    for cut in (0, 41, 100, len(got) - 1):
        found = ids(await log.read(After(got[cut].position)))
        wanted = set(ids(got[cut + 1 :]))
        expect(set(found) == wanted, f"after record {cut} came {len(found)} of {len(wanted)}")
        expect(len(found) == len(wanted), f"after record {cut} some came twice")
    end = await log.stream.ends(log.name)
    same([], await log.read(After(end)))
