"""Lies about appending: what a confirmation is worth, batches, order and places."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.abc import StreamSpec
from anymq.memory.log import Log
from anymq.memory.stream import MemoryReader
from anymq.message import Message
from anymq.outcome import CONFIRMED, Rejected
from tests.conformance.broken_streams.lie import LyingStream, lie

__all__ = [
    "CancelSpreads",
    "ConfirmsWithoutStoring",
    "CreatesWhatIsMissing",
    "DeclareEmptiesTheStream",
    "DropsBeyondAHundred",
    "EmptyBatchFails",
    "FullForASlowReader",
    "LosesOverlappingAppends",
    "MixesStreams",
    "OneBadEntryRejectsAll",
    "OneResultForAll",
    "PartitionsAreIgnored",
    "ReordersOverlappingAppends",
    "ReordersWithinABatch",
    "StoresOnTheNextAppend",
    "StoresTwice",
    "WakesNobody",
    "WrongCode",
]


@lie("confirms-without-storing", "every tenth record is confirmed and not kept", "DEL-01")
class ConfirmsWithoutStoring(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        kept = [record for record in records if not record.body.endswith(b"7")]
        await super().append(kept, timeout_s=timeout_s)
        return [CONFIRMED] * len(records)


@lie("stores-twice", "every tenth record is there twice", "DEL-02", "DEL-13")
class StoresTwice(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        results = await super().append(records, timeout_s=timeout_s)
        await super().append([r for r in records if r.body.endswith(b"7")], timeout_s=timeout_s)
        return results


@lie("stores-on-the-next-append", "a batch is kept when the next one comes", "LIF-10", "DEL-01")
class StoresOnTheNextAppend(LyingStream):
    pending: Sequence[Message] = ()

    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        self._check_open()
        due, self.pending = self.pending, records
        await super().append(due, timeout_s=timeout_s)
        return [CONFIRMED] * len(records)


@lie("wakes-nobody", "a waiting receive sleeps until its time is up", "DEL-07")
class WakesNobody(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        waiting = list(self._space.stream_waiters)
        self._space.stream_waiters.clear()
        results = await super().append(records, timeout_s=timeout_s)
        self._space.stream_waiters.extend(waiting)
        return results


@lie("one-bad-entry-rejects-all", "a batch with one bad entry is lost", "BAT-02", "DEL-11")
class OneBadEntryRejectsAll(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        bad = [r for r in records if r.topic not in self._space.streams]
        if bad:
            return [Rejected("not_found")] * len(records)
        return await super().append(records, timeout_s=timeout_s)


@lie("wrong-code", "what does not exist is called invalid", "DEL-10", "DEL-11")
class WrongCode(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        results = await super().append(records, timeout_s=timeout_s)
        return [Rejected("invalid") if isinstance(r, Rejected) else r for r in results]


@lie("creates-what-is-missing", "an append makes the stream that it names", "DEL-10")
class CreatesWhatIsMissing(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        results = await super().append(records, timeout_s=timeout_s)
        for record in records:
            self._space.streams.setdefault(record.topic, Log(StreamSpec(record.topic)))
        return results


@lie("declare-empties-the-stream", "declaring again begins anew", "ORD-05")
class DeclareEmptiesTheStream(LyingStream):
    async def declare(self, streams: Sequence[StreamSpec], **options: Any) -> None:
        await super().declare(streams, **options)
        for spec in streams:
            self._space.streams[spec.name] = Log(spec)


@lie("one-result-for-all", "a batch has one result", "BAT-01", "BAT-05")
class OneResultForAll(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        return (await super().append(records, timeout_s=timeout_s))[:1]


@lie("drops-beyond-a-hundred", "of a large batch the end is missing", "BAT-05")
class DropsBeyondAHundred(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        await super().append(records[:100], timeout_s=timeout_s)
        return [CONFIRMED] * len(records)


@lie("empty-batch-fails", "nothing to append is an error", "BAT-06")
class EmptyBatchFails(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        if not records:
            raise ValueError("no records")
        return await super().append(records, timeout_s=timeout_s)


@lie("reorders-within-a-batch", "a batch is kept back to front", "BAT-01", "ORD-01")
class ReordersWithinABatch(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        results = list(await super().append(records[::-1], timeout_s=timeout_s))
        return results[::-1]


@lie("reorders-overlapping-appends", "a later call may come first", "ORD-01")
class ReordersOverlappingAppends(LyingStream):
    calls = 0

    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        self.calls += 1
        for _ in range(self.calls % 2):
            await asyncio.sleep(0)
        return await super().append(records, timeout_s=timeout_s)


@lie("loses-overlapping-appends", "the later of two overlapping calls wins", "DEL-13", "ORD-01")
class LosesOverlappingAppends(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        log = self._space.streams[records[0].topic]
        before = log.next_offset, list(log.records)
        await asyncio.sleep(0)
        log.next_offset, log.records = before[0], before[1]
        return await super().append(records, timeout_s=timeout_s)


@lie("cancel-spreads", "one cancelled append cancels all that ride with it", "DEL-12")
class CancelSpreads(LyingStream):
    shared: asyncio.Future[None] | None = None

    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        if self.shared is None:
            self.shared = asyncio.get_running_loop().create_future()
            for _ in range(3):
                await asyncio.sleep(0)
            ready, self.shared = self.shared, None
            if not ready.done():
                ready.set_result(None)
        else:
            await self.shared
        return await super().append(records, timeout_s=timeout_s)


@lie("mixes-streams", "a batch goes where its first record goes", "DEL-04", "BAT-02")
class MixesStreams(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        moved = [replace(record, topic=records[0].topic) for record in records]
        return await super().append(moved, timeout_s=timeout_s)


@lie("partitions-are-ignored", "everything goes into partition 0", "ORD-05")
class PartitionsAreIgnored(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        flat = [replace(record, partition=0) for record in records]
        return await super().append(flat, timeout_s=timeout_s)


@lie("full-for-a-slow-reader", "who does not read keeps others from appending", "GRP-10")
class FullForASlowReader(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Any:
        for reader in self._readers:
            if self._lag(reader) > 900:
                return [Rejected("full", "a reader is behind")] * len(records)
        return await super().append(records, timeout_s=timeout_s)

    def _lag(self, reader: MemoryReader) -> int:
        return reader._log.next_offset - reader._offset
