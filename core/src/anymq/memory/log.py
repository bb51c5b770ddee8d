"""One stream: a bounded list of records with positions that never repeat."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from anymq.abc import Record, StreamSpec
from anymq.abc.stream import After, At, Earliest, Start
from anymq.errors import ConfigError
from anymq.message import Message

__all__ = ["Log"]


class Log:
    """Records of one stream in append order. Not locked: the space's lock is held by callers."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.records: list[Record] = []
        self.next_offset = 1

    def append(self, message: Message, now: float) -> str:
        """Append one record; its position."""
        position = str(self.next_offset)
        self.next_offset += 1
        self.records.append(Record(message, position, now, message.partition))
        self._trim(now)
        return position

    def end(self) -> str:
        """The position of the last record ever appended; "0" before the first."""
        return str(self.next_offset - 1)

    def offset_of(self, start: Start) -> int:
        """The offset of the first record that a reader from ``start`` sees. Raises ConfigError."""
        if isinstance(start, Earliest):
            return 1
        if isinstance(start, After):
            return self._parse(start.position) + 1
        if isinstance(start, At):
            times = [record.appended_at for record in self.records]
            return self._first + bisect_left(times, start.time)
        return self.next_offset

    def read(self, offset: int, limit: int) -> Sequence[Record]:
        """Up to ``limit`` records from ``offset`` (or from what retention left) on."""
        begin = max(0, offset - self._first)
        return self.records[begin : begin + limit]

    @property
    def _first(self) -> int:
        return self.next_offset - len(self.records)

    def _parse(self, position: str) -> int:
        if not position.isdecimal() or int(position) >= self.next_offset:
            raise ConfigError(f"{position!r} is no position of stream {self.spec.name!r}")
        return int(position)

    def _trim(self, now: float) -> None:
        limit, age = self.spec.max_records, self.spec.max_age_s
        if limit is not None and len(self.records) > limit:
            del self.records[: len(self.records) - limit]
        if age is not None:
            keep = bisect_left([record.appended_at for record in self.records], now - age)
            del self.records[:keep]
