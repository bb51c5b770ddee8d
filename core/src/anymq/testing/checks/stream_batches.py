"""Batches of a Stream: a result for each entry, order within, and bounds that hold."""

from __future__ import annotations

import asyncio

from anymq.abc import Record
from anymq.outcome import Confirmed, Rejected
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_probe import Log, declared, ids, opened, same, within

__all__: list[str] = []


@check("BAT-01", "batch_publish_all", family="stream")
async def append_all(bench: Bench) -> None:
    """All of a batch are there, in order, with keys and headers."""
    async with opened(bench) as log:
        sent = [
            bench.message(log.name, b"%d" % n, key=f"k{n}", headers={"n": str(n)})
            for n in range(40)
        ]
        await log.append(sent)
        same(sent, await log.read())


@check("BAT-02", "batch_partial_failure_is_itemised", family="stream")
async def itemised(bench: Bench) -> None:
    """The failed entries are told by their place; only they are sent again, and all are there
    once."""
    async with opened(bench, "there") as log:
        later = Log(bench, log.stream, bench.topic("later"))
        batch = log.messages(10)
        for n in (0, 3, 9):
            batch[n] = later.messages(1, first=n)[0]
        results = await log.stream.append(batch, timeout_s=bench.limit(5))
        expect(len(results) == 10, f"{len(results)} results for 10 entries")
        failed = [n for n, result in enumerate(results) if not isinstance(result, Confirmed)]
        expect(failed == [0, 3, 9], f"entries {failed} failed, not 0, 3 and 9")
        codes = [result.code for result in results if isinstance(result, Rejected)]
        expect(codes == ["not_found"] * 3, f"rejected with {codes}")
        other = await declared(bench, log.stream, "later")
        again = [bench.message(other.name, batch[n].body, id=batch[n].id) for n in failed]
        await other.append(again)
        same([batch[n] for n in range(10) if n not in failed], await log.read())
        same(again, await other.read())


@check("BAT-04", "batch_receive_bounds", family="stream")
async def receive_bounds(bench: Bench) -> None:
    """receive gives 1 to max_records, waits for no more than there is, and at most wait_s."""
    loop = asyncio.get_running_loop()
    async with opened(bench) as log, log.reader(prefetch=50) as reader:
        sent = await log.fill(100)
        got: list[Record] = []
        sizes: list[int] = []
        for most in (1, 7, *[30] * 100):
            if len(got) >= 100:
                break
            began = loop.time()
            fresh = await log.receive(reader, most, bench.limit(5.0))
            took = loop.time() - began
            expect(fresh, "an empty receive although there are records")
            expect(took < bench.limit(3.0), f"receive waited {took:.2f} s for more than there was")
            sizes.append(len(fresh))
            got += fresh
        same(sent, got)
        expect(max(sizes) > 1, "records came one by one in spite of a backlog")
        began = loop.time()
        fresh = await log.receive(reader, 30, 0.2)
        took = loop.time() - began
        expect(not fresh and took >= 0.18, f"nothing was left, and receive took {took:.3f} s")
        expect(took < 0.2 + bench.limit(1.0), f"receive(wait_s=0.2) took {took:.3f} s")


@check("BAT-05", "batch_split_over_limit", family="stream")
async def largest(bench: Bench) -> None:
    """``max_batch`` at once is taken whole and in order, and so are the pieces of a larger one."""
    most = bench.capabilities.max_batch
    async with opened(bench) as log:
        sent = log.messages(most * 2 + 7)
        for begin in range(0, len(sent), most):
            await log.append(sent[begin : begin + most])
        same(sent, await log.read(prefetch=500))


@check("BAT-06", "empty_batch", family="stream")
async def empty(bench: Bench) -> None:
    """No records, no results, nothing stored; nor does an empty declaration do anything."""
    async with opened(bench) as log:
        end = await log.stream.ends(log.name)
        results = await within(bench, log.stream.append([], timeout_s=1), "an empty append")
        expect(list(results) == [], f"an empty append has results: {results}")
        await log.append(log.messages(0))
        expect(await log.stream.ends(log.name) == end, "an empty append moved the end")
        expect(ids(await log.read()) == [], "an empty append stored something")
