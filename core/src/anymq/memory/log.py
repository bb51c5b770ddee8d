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
        self._bytes = 0
        """Of the bodies that are kept."""

    @property
    def first_offset(self) -> int:
        """The offset of the oldest record that is kept."""
        return self.next_offset - len(self.records)

    def append(self, message: Message, now: float) -> str:
        """Append one record; its position."""
        if self.records:
            now = max(now, self.records[-1].appended_at)  # the clock may have been set back
        position = str(self.next_offset)
        self.next_offset += 1
        self.records.append(Record(message, position, now, message.partition))
        self._bytes += len(message.body)
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
            return self.offset_at(start.position) + 1
        if isinstance(start, At):
            times = [record.appended_at for record in self.records]
            return self.first_offset + bisect_left(times, start.time)
        return self.next_offset

    def offset_at(self, position: str) -> int:
        """The offset of a position that a record or ``end`` gave. Raises ConfigError."""
        if not position.isdecimal() or int(position) >= self.next_offset:
            raise ConfigError(f"{position!r} is no position of stream {self.spec.name!r}")
        return int(position)

    def read(self, offset: int, limit: int) -> Sequence[Record]:
        """Up to ``limit`` records from ``offset`` (or from what retention left) on."""
        begin = max(0, offset - self.first_offset)
        return self.records[begin : begin + limit]

    def _trim(self, now: float) -> None:
        spec, drop = self.spec, 0
        if spec.max_records is not None:
            drop = max(0, len(self.records) - spec.max_records)
        if spec.max_age_s is not None:
            oldest = now - spec.max_age_s
            while drop < len(self.records) and self.records[drop].appended_at < oldest:
                drop += 1
        dropped = sum(len(record.message.body) for record in self.records[:drop])
        if spec.max_bytes is not None:
            while drop < len(self.records) and self._bytes - dropped > spec.max_bytes:
                dropped += len(self.records[drop].message.body)
                drop += 1
        del self.records[:drop]
        self._bytes -= dropped
