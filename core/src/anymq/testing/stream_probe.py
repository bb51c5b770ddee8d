"""What the checks of the Stream role share: declared logs, appended to and read within limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from anymq.abc import Record, Start, Stream, StreamReader, StreamSpec
from anymq.abc.stream import EARLIEST
from anymq.errors import AnyMQError
from anymq.message import Message
from anymq.outcome import Confirmed
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, expect
from anymq.topology import TopologyMode

__all__ = ["Log", "declared", "ids", "opened", "refused", "same", "unopened", "within"]

T = TypeVar("T")
E = TypeVar("E", bound=AnyMQError)

PIECE_S = 0.5
"""One wait of a reader that is on its way to the end."""
CARRIED = (
    "topic",
    "body",
    "id",
    "content_type",
    "headers",
    "key",
    "partition",
    "correlation_id",
    "causation_id",
    "reply_to",
    "meta",
)
"""What a record's message must have in common with the one that was appended."""


class Log:
    """One declared stream over one connection."""

    __slots__ = ("bench", "name", "stream")

    def __init__(self, bench: Bench, stream: Stream, name: str) -> None:
        self.bench = bench
        self.stream = stream
        self.name = name

    def messages(self, count: int, *, first: int = 0, **fields: Any) -> list[Message]:
        """Messages for it, with the bodies ``first``, ``first + 1`` …"""
        numbers = range(first, first + count)
        return [self.bench.message(self.name, b"%d" % n, **fields) for n in numbers]

    async def append(self, messages: Sequence[Message]) -> list[str | None]:
        """Append in one call, and fail unless all are confirmed; their positions where told."""
        work = self.stream.append(messages, timeout_s=self.bench.limit(5))
        results = await within(self.bench, work, f"append of {len(messages)}", 10)
        expect(len(results) == len(messages), f"{len(results)} results for {len(messages)} records")
        bad = [result for result in results if not isinstance(result, Confirmed)]
        expect(not bad, f"{len(bad)} of {len(messages)} records were not confirmed: {bad[:3]}")
        return [result.position for result in results if isinstance(result, Confirmed)]

    async def fill(self, count: int, *, first: int = 0) -> list[Message]:
        """Append so many messages, as many at once as the backend takes."""
        messages = self.messages(count, first=first)
        most = self.bench.capabilities.max_batch
        for begin in range(0, count, most):
            await self.append(messages[begin : begin + most])
        return messages

    @asynccontextmanager
    async def reader(
        self, start: Start = EARLIEST, *, follow: bool = True, prefetch: int = 100
    ) -> AsyncIterator[StreamReader]:
        """A reader; closed within its limit afterwards."""
        opening = self.stream.reader(self.name, start, follow=follow, prefetch=prefetch)
        reader = await within(self.bench, opening, f"reader({start})", 10)
        try:
            yield reader
        finally:
            await within(self.bench, reader.aclose(timeout_s=5.0), "closing a reader", 6)

    async def receive(
        self, reader: StreamReader, max_records: int, wait_s: float
    ) -> Sequence[Record]:
        """One ``receive``, held to what it was asked."""
        work = reader.receive(max_records=max_records, wait_s=wait_s)
        fresh = await within(self.bench, work, f"receive(wait_s={wait_s:.3g})", 5 + wait_s)
        expect(len(fresh) <= max_records, f"receive(max_records={max_records}) gave {len(fresh)}")
        self.bench.records += len(fresh)
        return fresh

    async def take(self, reader: StreamReader, count: int, *, limit_s: float = 5.0) -> list[Record]:
        """Receive exactly ``count`` records, in as many calls as it takes."""
        expect(count >= 0, f"{-count} records came twice, or were never appended")
        taken: list[Record] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + self.bench.limit(limit_s)
        while len(taken) < count and loop.time() < until:
            taken += await self.receive(reader, count - len(taken), until - loop.time())
        expect(len(taken) == count, f"{len(taken)} of {count} records came in time")
        return taken

    async def rest(self, reader: StreamReader, *, limit_s: float = 5.0) -> list[Record]:
        """What a reader without ``follow`` has left; fails when it neither ends nor goes on."""
        records: list[Record] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + self.bench.limit(limit_s)
        while not reader.is_at_end:
            late = loop.time() > until
            expect(not late, f"a reader with follow=False has no end behind {len(records)} records")
            fresh = await self.receive(reader, 100, PIECE_S)
            records += fresh
            if fresh:
                until = loop.time() + self.bench.limit(limit_s)
        return records

    async def read(self, start: Start = EARLIEST, *, prefetch: int = 100) -> list[Record]:
        """Everything from ``start`` to what is last now."""
        async with self.reader(start, follow=False, prefetch=prefetch) as reader:
            return await self.rest(reader)

    async def nothing_more(self, reader: StreamReader) -> None:
        """Fail if something comes within the quiet window."""
        timings = self.bench.harness.timings
        extra = await self.receive(reader, 100, timings.quiet_s * timings.scale)
        expect(not extra, f"{len(extra)} records too many, the first with {_short(extra)}")


async def declared(bench: Bench, stream: Stream, name: str = "log", **spec: Any) -> Log:
    """Declare a stream that nobody else has."""
    log = Log(bench, stream, bench.topic(name))
    limit_s = bench.limit(10)
    declaring = stream.declare(
        [StreamSpec(log.name, **spec)], mode=TopologyMode.MANAGE, timeout_s=limit_s
    )
    await within(bench, declaring, "declare", 12)
    return log


@asynccontextmanager
async def opened(bench: Bench, name: str = "log", **spec: Any) -> AsyncIterator[Log]:
    """A connection of its own with one declared stream."""
    async with bench.stream() as stream:
        yield await declared(bench, stream, name, **spec)


@asynccontextmanager
async def unopened(bench: Bench) -> AsyncIterator[Stream]:
    """The plugin's Stream before ``open``; closed within its limit whatever became of it."""
    stream: Stream = await bench._make("stream", {})
    try:
        yield stream
    finally:
        await within(bench, stream.aclose(timeout_s=5.0), "closing a stream", 6)


async def within(bench: Bench, work: Awaitable[T], what: str, limit_s: float = 5.0) -> T:
    """The result of a call that must come back in time."""
    try:
        async with asyncio.timeout(bench.limit(limit_s)):
            return await work
    except TimeoutError:
        text = f"{what} did not come back within {bench.limit(limit_s):.3g} s"
        raise CheckFailed(text) from None


async def refused(bench: Bench, work: Awaitable[Any], error: type[E], what: str) -> E:
    """The error that a call must raise in time."""
    try:
        await within(bench, work, what, 12)
    except error as caught:
        return caught
    raise CheckFailed(f"{what} did not raise {error.__name__}")


def ids(records: Sequence[Record]) -> list[str]:
    """The ids of records' messages."""
    return [record.message.id for record in records]


def same(sent: Sequence[Message], got: Sequence[Record]) -> None:
    """Fail unless just these messages came, in this order and unchanged."""
    wanted, found = [message.id for message in sent], ids(got)
    missing, extra = set(wanted) - set(found), set(found) - set(wanted)
    expect(not missing, f"{len(missing)} of {len(wanted)} records are missing")
    expect(not extra, f"{len(extra)} records were never appended to this stream, or too early")
    expect(len(found) == len(wanted), f"{len(found)} records for {len(wanted)} that were appended")
    expect(found == wanted, f"the order changed at number {_first_difference(wanted, found)}")
    for message, record in zip(sent, got, strict=True):
        changed = [n for n in CARRIED if getattr(message, n) != getattr(record.message, n)]
        expect(not changed, f"{', '.join(changed)} of a record changed")
        drift = abs(message.timestamp - record.message.timestamp)
        expect(drift < 0.001, f"the timestamp of a record moved by {drift:.3g} s")


def _first_difference(wanted: Sequence[str], found: Sequence[str]) -> int:
    pairs = zip(wanted, found, strict=True)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), -1)


def _short(records: Sequence[Record]) -> str:
    return f"id {records[0].message.id}" if records else "nothing"
