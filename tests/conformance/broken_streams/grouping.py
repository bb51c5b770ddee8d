"""Lies that readers of an application meet: where they begin, what groups kept, what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.abc import Record, Start
from anymq.abc.stream import EARLIEST, LATEST, After, At, Earliest, Latest
from anymq.errors import ConfigError
from anymq.message import Message
from anymq.outcome import SendResult
from tests.conformance.broken_streams.lie import LyingReader, LyingStream, lie

__all__ = [
    "AtIsEarliest",
    "CommitIsForgotten",
    "CommitIsTheEnd",
    "EarliestIsLatest",
    "EveryReaderIsDatedNow",
    "GroupsFollowReaders",
    "KeepsEverything",
    "KeysAreLost",
    "LatestIsEarliest",
    "LosesWhatWaits",
    "LossIsAGuess",
    "LossIsUntold",
    "OnePartitionForAll",
    "TrimmedIsRefused",
]


@lie("earliest-is-latest", "what was is past", "STR-01", "STR-12")
class EarliestIsLatest(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        start = LATEST if isinstance(start, Earliest) else start
        return await super().reader(stream, start, **options)


@lie("latest-is-earliest", "who comes now gets it all", "STR-02")
class LatestIsEarliest(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        start = EARLIEST if isinstance(start, Latest) else start
        return await super().reader(stream, start, **options)

    async def ends(self, stream: str) -> str:
        return "0"


@lie("at-is-earliest", "a moment is as good as the beginning", "STR-03")
class AtIsEarliest(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        start = EARLIEST if isinstance(start, At) else start
        return await super().reader(stream, start, **options)


@lie("commit-is-forgotten", "positions are kept", "STR-04", "STR-06", "STR-07", "STR-09", "GRP-07")
class CommitIsForgotten(LyingStream):
    async def committed(self, stream: str, group: str) -> str | None:
        return None


@lie("commit-is-the-end", "who commits has read everything", "STR-04", "STR-05", "STR-09")
class CommitIsTheEnd(LyingStream):
    async def commit(self, stream: str, group: str, position: str) -> None:
        await super().commit(stream, group, await self.ends(stream))


@lie("groups-follow-readers", "what anybody read, groups have read", "STR-07")
class GroupsFollowReaders(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        for name, group in self.stream._space.committed:
            if name == self.log.spec.name and found:
                await self.stream.commit(name, group, found[-1].position)
        return found


@lie("loses-what-waits", "a reader that waits gets the second of what comes", "GRP-08")
class LosesWhatWaits(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        has_waited = self.inner._offset >= self.log.next_offset
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        is_feed = not self.log.spec.name.startswith("anymq.")
        return found[1:] if has_waited and is_feed else found


@lie("trimmed-is-refused", "a position that is gone is none", "STR-10", "STR-11")
class TrimmedIsRefused(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        first = self._log(stream).first_offset
        if isinstance(start, After) and int(start.position) + 1 < first:
            raise ConfigError(f"{start.position} is no position")
        return await super().reader(stream, start, **options)


@lie("keeps-everything", "limits are for others", "STR-11")
class KeepsEverything(LyingStream):
    async def declare(self, streams: Sequence[Any], **options: Any) -> None:
        await super().declare([replace(spec, max_records=None) for spec in streams], **options)


@lie("loss-is-untold", "nobody asks for what is gone", "STR-11")
class LossIsUntold(LyingReader):
    pass


@lie("loss-is-a-guess", "some were lost", "STR-11")
class LossIsAGuess(LyingReader):
    @property
    def lost(self) -> int:
        return min(1, self.inner.lost)


@lie("one-partition-for-all", "partitions are for the declaration", "STR-12", "GRP-08")
class OnePartitionForAll(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        return [replace(record, partition=0) for record in found]


@lie("keys-are-lost", "a key has done its duty with the append", "STR-12")
class KeysAreLost(LyingStream):
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Sequence[SendResult]:
        bare = [replace(record, key=None) for record in records]
        return await super().append(bare, timeout_s=timeout_s)


@lie("every-reader-is-dated-now", "positions are numbers of the reading", "STR-08", "STR-05")
class EveryReaderIsDatedNow(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        return [replace(record, position="1") for record in found]
