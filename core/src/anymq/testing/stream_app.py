"""What the checks of streams share that go through an application: feeds, and members of groups."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from anymq.abc.stream import EARLIEST, Start
from anymq.app import App
from anymq.errors import UnsupportedError
from anymq.outcome import Confirmed
from anymq.streams.group import GroupReading
from anymq.streams.handle import StreamHandle
from anymq.streams.record import StreamRecord
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, expect
from anymq.testing.stream_probe import within

__all__ = ["Feed", "Member", "feed", "joined", "numbers", "partition_counts"]

Records = list[StreamRecord[Any]]


class Feed:
    """One stream of one application."""

    def __init__(self, bench: Bench, app: App, handle: StreamHandle[Any]) -> None:
        self.bench = bench
        self.app = app
        self.handle = handle

    async def fill(self, values: Iterable[int], **options: Any) -> None:
        """Append values in one batch; fail unless all are confirmed."""
        bodies = [self.bench.body(value) for value in values]
        work = self.handle.append_many(bodies, **options)
        results = await within(self.bench, work, f"append_many of {len(bodies)}", 12)
        expect(len(results) == len(bodies), f"{len(results)} results for {len(bodies)} records")
        bad = [result for result in results if not isinstance(result, Confirmed)]
        expect(not bad, f"{len(bad)} of {len(bodies)} records were not confirmed: {bad[:3]}")
        self.bench.sent += len(bodies)

    async def append(self, value: int, **options: Any) -> str:
        """Append one value; its id."""
        self.bench.sent += 1
        work = self.handle.append(self.bench.body(value), **options)
        return await within(self.bench, work, "append", 12)

    async def read(self, start: Start = EARLIEST, **options: Any) -> Records:
        """Everything from ``start`` to what is last now."""

        async def all_of_it() -> Records:
            reading = self.handle.read(start, follow=False, **options)
            return [record async for record in reading]

        found = await within(self.bench, all_of_it(), f"reading from {start}", 10)
        self.bench.records += len(found)
        return found

    async def take(self, records: AsyncIterator[StreamRecord[Any]], count: int) -> Records:
        """The next ``count`` records of somebody who follows."""
        taken: Records = []

        async def next_ones() -> None:
            while len(taken) < count:
                taken.append(await anext(records))

        try:
            await within(self.bench, next_ones(), "reading", 6)
        except StopAsyncIteration:
            raise CheckFailed(f"a reader ended after {len(taken)} of {count} records") from None
        except CheckFailed:
            raise CheckFailed(f"{len(taken)} of {count} records came in time") from None
        finally:
            self.bench.records += len(taken)
        return taken


class Member:
    """A member of a group, read step by step."""

    def __init__(self, feed: Feed, reading: GroupReading[Any]) -> None:
        self.feed = feed
        self.reading = reading
        self._records = reading.__aiter__()

    async def take(self, count: int) -> Records:
        """The next ``count`` records; all but the last are done then, unless done by hand."""
        return await self.feed.take(self._records, count)

    async def has(self, *partitions: int) -> None:
        """Wait until just these partitions are its own."""
        wanted = frozenset(partitions)
        await self.feed.bench.wait(
            lambda: self.reading.partitions == wanted,
            f"a member to have the partitions {sorted(wanted)}",
            10,
        )

    def done(self, records: Iterable[StreamRecord[Any]]) -> None:
        """Say that records are done; fail where that is refused."""
        for record in records:
            expect(self.reading.done(record), f"{record} could not be said to be done")


@asynccontextmanager
async def feed(bench: Bench, name: str = "log", **spec: Any) -> AsyncIterator[Feed]:
    """An application of its own with one declared stream; a name of ``bench.topic`` is taken."""
    app = await bench.app()
    full = name if name.startswith("kit.") or "." in name else bench.topic(name)
    handle = app.stream(full, **spec)
    await bench.started(app)
    yield Feed(bench, app, handle)
    await within(bench, app.close(grace_s=0.5), "closing an application with streams", 15)


@asynccontextmanager
async def joined(feed: Feed, group: str = "g", **options: Any) -> AsyncIterator[Member]:
    """A member of a group, which leaves at the end."""
    given = {"lease_s": max(1.0, feed.bench.harness.timings.lease_s), **options}
    reading = feed.handle.group(group, **given)
    await within(feed.bench, reading.__aenter__(), "joining a group", 10)
    try:
        yield Member(feed, reading)
    finally:
        await within(feed.bench, reading.aclose(), "leaving a group", 12)


def numbers(records: Sequence[StreamRecord[Any]]) -> list[int]:
    """The values of records."""
    return [record.value["v"] for record in records]


async def partition_counts(bench: Bench) -> tuple[int, ...]:
    """One partition, and three where the backend has such streams."""
    app = await bench.app()
    app.stream(bench.topic("three"), partitions=3)
    try:
        await bench.started(app)
    except UnsupportedError as error:
        expect("partition" in str(error), f"the refusal does not name partitions: {error}")
        return (1,)
    return (1, 3)
