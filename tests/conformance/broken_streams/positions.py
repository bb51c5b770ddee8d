"""Lies about positions: where a reader starts, where a stream ends, and what a position is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.abc import Record, Start
from anymq.abc.stream import EARLIEST, LATEST, After, At, Latest
from anymq.errors import ConfigError, TopologyError
from anymq.memory.log import Log
from tests.conformance.broken_streams.lie import LyingReader, LyingStream, lie

__all__ = [
    "AfterIncludes",
    "AfterSkipsOne",
    "AtIgnoresTime",
    "AtIsAfter",
    "AtIsLatest",
    "BoundedGoesOn",
    "EndsIsTooEarly",
    "EndsIsTooLate",
    "EndsOfNothingFails",
    "FollowingEnds",
    "ForeignPositionIsEarliest",
    "LatestBeginsWithTheFirstReceive",
    "LatestIncludesTheLast",
    "MissingIsEmpty",
    "NeverAtTheEnd",
    "OnePositionForABatch",
    "PositionsOfTheConnection",
    "TellsOtherPositions",
]


class _Starting(LyingStream):
    """Starts somewhere else than asked."""

    def begin(self, start: Start) -> Start:
        return start

    async def reader(self, stream: str, start: Start, *, follow: bool, prefetch: int) -> Any:
        begin = self.begin(start)
        return await super().reader(stream, begin, follow=follow, prefetch=prefetch)


@lie("after-includes", "After begins with the record of the position", "LIF-14", "GRP-06")
class AfterIncludes(_Starting):
    def begin(self, start: Start) -> Start:
        if isinstance(start, After) and start.position.isdecimal():
            return After(str(max(0, int(start.position) - 1)))
        return start


@lie("after-skips-one", "After leaves one out", "LIF-14", "GRP-06")
class AfterSkipsOne(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        reader = await super().reader(stream, start, **options)
        reader._offset += isinstance(start, After)
        return reader


@lie("at-ignores-time", "At reads everything", "GRP-06")
class AtIgnoresTime(_Starting):
    def begin(self, start: Start) -> Start:
        return EARLIEST if isinstance(start, At) else start


@lie("at-is-latest", "At waits for what comes", "GRP-06")
class AtIsLatest(_Starting):
    def begin(self, start: Start) -> Start:
        return LATEST if isinstance(start, At) else start


@lie("at-is-after", "At leaves out what is dated just so", "GRP-06")
class AtIsAfter(_Starting):
    def begin(self, start: Start) -> Start:
        return At(start.time + 1e-6) if isinstance(start, At) else start


@lie("latest-includes-the-last", "Latest begins with the last record", "GRP-06")
class LatestIncludesTheLast(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        reader = await super().reader(stream, start, **options)
        if isinstance(start, Latest):
            reader._offset = max(1, reader._offset - 1)
        return reader


@lie("latest-begins-with-the-first-receive", "opening fixes nothing", "GRP-06")
class LatestBeginsWithTheFirstReceive(LyingReader):
    is_begun = False

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        if isinstance(self.start, Latest) and not self.is_begun:
            self.inner._offset = self.log.next_offset
        self.is_begun = True
        return await super().receive(max_records=max_records, wait_s=wait_s)


@lie("foreign-position-is-earliest", "what is no position means the beginning", "GRP-06")
class ForeignPositionIsEarliest(LyingStream):
    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        try:
            return await super().reader(stream, start, **options)
        except ConfigError:
            return await super().reader(stream, EARLIEST, **options)


@lie("missing-is-empty", "a stream that does not exist reads as an empty one", "DEL-10")
class MissingIsEmpty(LyingStream):
    def _log(self, name: str) -> Log:
        try:
            return super()._log(name)
        except TopologyError:
            return Log(replace(next(iter(self._space.streams.values())).spec, name=name))


@lie("never-at-the-end", "a reader without follow goes on for ever", "GRP-06")
class NeverAtTheEnd(LyingReader):
    is_at_end = False  # type: ignore[assignment]


@lie("bounded-goes-on", "a reader without follow reads what came later", "GRP-06", "CON-05")
class BoundedGoesOn(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        if self.inner._end is not None:
            self.inner._end = self.log.next_offset
        return await super().receive(max_records=max_records, wait_s=wait_s)


@lie("following-ends", "a reader that caught up says that it is at its end", "GRP-06", "DEL-07")
class FollowingEnds(LyingReader):
    @property
    def is_at_end(self) -> bool:
        return bool(self.inner._offset >= self.log.next_offset)


@lie("ends-is-too-early", "ends tells the last but one", "GRP-06")
class EndsIsTooEarly(LyingStream):
    async def ends(self, stream: str) -> str:
        return str(max(0, int(await super().ends(stream)) - 1))


@lie("ends-is-too-late", "ends tells what comes next", "GRP-06")
class EndsIsTooLate(LyingStream):
    async def ends(self, stream: str) -> str:
        return str(int(await super().ends(stream)) + 1)

    async def reader(self, stream: str, start: Start, **options: Any) -> Any:
        log = self._space.streams[stream]
        if isinstance(start, After) and start.position == str(log.next_offset):
            reader = await super().reader(stream, LATEST, **options)
            reader._offset += 1
            return reader
        return await super().reader(stream, start, **options)


@lie("ends-of-nothing-fails", "an empty stream has no end", "GRP-06")
class EndsOfNothingFails(LyingStream):
    async def ends(self, stream: str) -> str:
        end = await super().ends(stream)
        if end == "0":
            raise TopologyError("the stream is empty")
        return end


@lie("one-position-for-a-batch", "records read together have one position", "DEL-03", "GRP-06")
class OnePositionForABatch(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        return [replace(record, position=found[-1].position) for record in found]


class _SessionReader(LyingReader):
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        found = await super().receive(max_records=max_records, wait_s=wait_s)
        return [replace(r, position=f"{id(self.stream)}:{r.position}") for r in found]


@lie("positions-of-the-connection", "a position is worth nothing elsewhere", "GRP-06")
class PositionsOfTheConnection(_Starting):
    wrapper = _SessionReader

    def begin(self, start: Start) -> Start:
        if isinstance(start, After):
            return After(self._own(start.position))
        return start

    async def commit(self, stream: str, group: str, position: str) -> None:
        await super().commit(stream, group, self._own(position))

    async def committed(self, stream: str, group: str) -> str | None:
        found = await super().committed(stream, group)
        return None if found is None else f"{id(self)}:{found}"

    def _own(self, position: str) -> str:
        return position.removeprefix(f"{id(self)}:")


@lie("tells-other-positions", "append tells positions that no record has", "DEL-03")
class TellsOtherPositions(LyingStream):
    async def append(self, records: Any, *, timeout_s: float) -> Any:
        results = await super().append(records, timeout_s=timeout_s)
        return [replace(r, position="9999") if hasattr(r, "position") else r for r in results]
