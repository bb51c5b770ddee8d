"""What the end of a connection or a reader means for what was appended and for other readers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from anymq.abc.stream import EARLIEST, LATEST, After
from anymq.errors import ClosedError
from anymq.message import Message
from anymq.outcome import Confirmed, Rejected, SendResult
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.stream_probe import Log, ids, opened, refused, same, within

__all__: list[str] = []


@check("LIF-08", "publish_after_close_is_typed_error", family="stream")
async def append_after_close(bench: Bench) -> None:
    """append on a closed connection raises ClosedError, every time, and stores nothing."""
    async with opened(bench) as log:
        sent = await log.fill(2)
        await log.stream.aclose(timeout_s=5.0)
        for _ in range(2):
            appending = log.stream.append(log.messages(1), timeout_s=2.0)
            await refused(bench, appending, ClosedError, "append after close")
        async with bench.stream() as stream:
            same(sent, await Log(bench, stream, log.name).read())


@check("LIF-09", "receive_after_close_is_typed_error", family="stream")
async def receive_after_close(bench: Bench) -> None:
    """receive on a closed reader, and reader on a closed connection, raise ClosedError at once."""
    async with opened(bench) as log:
        await log.fill(3)
        ended = await log.stream.reader(log.name, EARLIEST, follow=False, prefetch=10)
        await log.rest(ended)
        early = await log.stream.reader(log.name, EARLIEST, follow=True, prefetch=10)
        late = await log.stream.reader(log.name, EARLIEST, follow=True, prefetch=10)
        for reader in (ended, early):
            await reader.aclose(timeout_s=5.0)
        await log.stream.aclose(timeout_s=5.0)
        for reader, what in ((ended, "at its end"), (early, "closed"), (late, "of a closed one")):
            for _ in range(2):
                receiving = reader.receive(max_records=1, wait_s=1.0)
                await refused(bench, receiving, ClosedError, f"receive on a reader {what}")
        for start in (EARLIEST, LATEST):
            opening = log.stream.reader(log.name, start, follow=True, prefetch=10)
            await refused(bench, opening, ClosedError, "reader after close")


@check("LIF-10", "publisher_close_flushes", family="stream")
async def close_flushes(bench: Bench) -> None:
    """What was confirmed before or while the connection closed is in the log, each record once."""
    async with opened(bench) as log:
        before = await log.fill(50)
        batches = [log.messages(10, first=10 * n) for n in range(5, 15)]
        async with asyncio.timeout(bench.limit(15)), asyncio.TaskGroup() as group:
            tasks = [group.create_task(_append(log, batch)) for batch in batches]
            await asyncio.sleep(0)
            group.create_task(log.stream.aclose(timeout_s=5.0))
        confirmed = [message.id for message in before]
        for batch, task in zip(batches, tasks, strict=True):
            pairs = zip(batch, task.result(), strict=True)
            confirmed += [m.id for m, result in pairs if isinstance(result, Confirmed)]
        async with bench.stream() as stream:
            found = ids(await Log(bench, stream, log.name).read())
        lost = set(confirmed) - set(found)
        expect(not lost, f"{len(lost)} of {len(confirmed)} confirmed records are lost")
        expect(len(found) == len(set(found)), "a record was stored twice")


async def _append(log: Log, batch: Sequence[Message]) -> Sequence[SendResult]:
    try:
        results = await log.stream.append(batch, timeout_s=5.0)
    except ClosedError:
        return [Rejected("closed")] * len(batch)
    expect(len(results) == len(batch), f"{len(results)} results for {len(batch)} records")
    return results


@check("LIF-14", "stop_then_start_receives", family="stream")
async def start_again(bench: Bench) -> None:
    """A reader that is closed and opened again behind its last record gets just the rest."""
    async with opened(bench) as log:
        sent = await log.fill(20)
        async with log.reader() as reader:
            first = await log.take(reader, 8)
        sent += await log.fill(5, first=20)
        async with log.reader(After(first[-1].position)) as reader:
            rest = await log.take(reader, 17)
            same(sent, [*first, *rest])
            await log.nothing_more(reader)


@check("LIF-15", "prefetched_are_returned_on_stop", family="stream")
async def unread_is_kept(bench: Bench) -> None:
    """What a reader fetched and never returned is there for the next one, at once."""
    async with opened(bench) as log:
        sent = await log.fill(50)
        async with log.reader(prefetch=40) as reader:
            first = await log.take(reader, 1)
            await bench.quiet()
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with log.reader(After(first[0].position)) as reader:
            rest = await log.take(reader, 49)
        took = loop.time() - began
        same(sent, [*first, *rest])
        expect(took < bench.limit(3), f"what another reader had fetched came after {took:.2f} s")


@check("LIF-16", "cancel_subscription_only_stops_that_one", family="stream")
async def close_one(bench: Bench) -> None:
    """Closing a reader, though much is on its way to it, leaves the others and the connection."""
    async with opened(bench) as log, log.reader() as one, log.reader() as other:
        sent = await log.fill(1000)
        for count in (0, 1, 500):
            async with log.reader(prefetch=400) as ended:
                await log.take(ended, count)
        same(sent, await log.take(one, 1000))
        sent += await log.fill(5, first=1000)
        same(sent[1000:], await log.take(one, 5))
        same(sent, await log.take(other, 1005))
        await log.nothing_more(one)
        lost = [event.detail for event in bench.events if event.kind == "lost"]
        expect(not lost, f"the connection was lost when a reader closed: {lost[:1]}")


@check("LIF-17", "add_subscription_does_not_disturb_others", family="stream")
async def add_one(bench: Bench) -> None:
    """Opening readers neither pauses, restarts nor moves the one that reads."""
    async with opened(bench) as log, log.reader(LATEST) as steady:
        sent = []
        got = []
        for number in range(10):
            sent += await log.fill(5, first=5 * number)
            opening = log.stream.reader(log.name, EARLIEST, follow=True, prefetch=10)
            added = await within(bench, opening, "a further reader", 10)
            got += await log.take(steady, 5)
            await log.take(added, 1)
        same(sent, got)
        await log.nothing_more(steady)
