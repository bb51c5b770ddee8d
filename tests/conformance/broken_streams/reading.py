"""Lies about reading: what comes, when, how much of it, and to whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.abc import Record, Start
from anymq.abc.stream import Earliest
from anymq.errors import BackendUnavailable
from tests.conformance.broken_streams.lie import LyingReader, LyingStream, lie

__all__ = [
    "BlocksTheLoop",
    "BusyLoop",
    "ClosingStopsAll",
    "CopiesTheBacklog",
    "FillsTheBatch",
    "GivesTooMany",
    "HoardsTheBacklog",
    "IgnoresWaitS",
    "LosesOnCancel",
    "NewReaderRestartsOthers",
    "OneByOne",
    "ReadersShareTheWork",
    "ReadingConsumes",
    "RepeatsOnCancel",
    "ShufflesRecords",
    "SixteenReadersAtMost",
    "SkipsWithASmallPrefetch",
]


@lie("loses-on-cancel", "a cancelled receive keeps what it had", "DEL-02")
class LosesOnCancel(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        await asyncio.sleep(0)
        return found


@lie("repeats-on-cancel", "what a receive gave before a cancelled one comes again", "DEL-02")
class RepeatsOnCancel(LyingReader):
    last: Sequence[Record] = ()

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        is_done = False
        try:
            found = await super().receive(max_records=max_records, wait_s=wait_s)
            is_done = True
        finally:
            if not is_done and self.last:
                self.inner._offset = int(self.last[0].position)
        self.last = found or self.last
        return found


@lie("gives-too-many", "max_records is a wish", "BAT-04", "CON-04")
class GivesTooMany(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        return await super().receive(max_records=max_records + 1, wait_s=wait_s)


@lie("one-by-one", "one record a call, whatever there is", "BAT-04")
class OneByOne(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        return await super().receive(max_records=1, wait_s=wait_s)


@lie("fills-the-batch", "receive waits until max_records are there", "BAT-04")
class FillsTheBatch(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found: list[Record] = []
        until = time.monotonic() + wait_s
        while len(found) < max_records and not self.is_at_end and time.monotonic() < until:
            rest = until - time.monotonic()
            found += await super().receive(max_records=max_records - len(found), wait_s=rest)
        return found


@lie("ignores-wait-s", "an empty receive comes back at once", "DEL-07", "BAT-04")
class IgnoresWaitS(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        return await super().receive(max_records=max_records, wait_s=0.0)


@lie("busy-loop", "waiting is asking all the time", "DEL-07")
class BusyLoop(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        until = time.monotonic() + wait_s
        while True:
            found = await super().receive(max_records=max_records, wait_s=0.0)
            if found or time.monotonic() >= until:
                return found
            await asyncio.sleep(0)


@lie("blocks-the-loop", "nobody runs while one waits", "DEL-07")
class BlocksTheLoop(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=0.0)
        if not found:
            time.sleep(min(wait_s, 0.5))  # noqa: ASYNC251 - this is the lie
        return found


@lie("shuffles-records", "what comes together comes in any order", "ORD-01", "CON-04")
class ShufflesRecords(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        return found[::-1]


@lie("readers-share-the-work", "a record comes to one reader only", "CON-04", "LIF-16")
class ReadersShareTheWork(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        taken: set[str] = self.log.__dict__.setdefault("_taken", set())
        mine = [record for record in found if record.position not in taken]
        taken.update(record.position for record in mine)
        return mine


@lie("reading-consumes", "what was fetched is gone", "LIF-15", "DEL-01")
class ReadingConsumes(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        if found:
            del self.log.records[:40]
        return found


@lie("closing-stops-all", "the end of one reader is the end of all", "LIF-16")
class ClosingStopsAll(LyingReader):
    async def aclose(self, *, timeout_s: float) -> None:
        await super().aclose(timeout_s=timeout_s)
        for reader in tuple(self.stream._readers):
            await reader.aclose(timeout_s=timeout_s)


@lie("new-reader-restarts-others", "a reader that joins sets the others back", "LIF-17")
class NewReaderRestartsOthers(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        if isinstance(start, Earliest):
            for reader in self._readers:
                reader._offset = max(1, reader._offset - 1)
        return await super().reader(stream, start, **options)


@lie("sixteen-readers-at-most", "there is a limit that nobody tells", "DEL-05")
class SixteenReadersAtMost(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        if len(self._readers) >= 16:
            raise BackendUnavailable("too many readers")
        return await super().reader(stream, start, **options)


@lie("hoards-the-backlog", "a reader fetches all there is, whatever its prefetch", "CON-05")
class HoardsTheBacklog(LyingReader):
    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.held = list(self.log.read(self.inner._offset, 10_000))

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        if not self.held:
            return await super().receive(max_records=max_records, wait_s=wait_s)
        found, self.held = self.held[:max_records], self.held[max_records:]
        self.inner._offset = int(found[-1].position) + 1
        return found


@lie("copies-the-backlog", "a reader pulls everything into memory", "CON-06")
class CopiesTheBacklog(LyingReader):
    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.copies = [
            replace(record.message, body=record.message.body + b"")
            for record in self.log.read(self.inner._offset, 10_000)
        ]
        self.bodies = [bytes(bytearray(copy.body)) for copy in self.copies]


@lie("skips-with-a-small-prefetch", "with a prefetch of 7 each seventh is lost", "CON-05")
class SkipsWithASmallPrefetch(LyingStream):
    async def reader(self, stream: str, start: Start, *, follow: bool, prefetch: int) -> Any:
        reader = await super().reader(stream, start, follow=follow, prefetch=prefetch)
        if prefetch == 7:
            reader._offset += 1
        return reader
