"""What a reader of a stream gets: one record, its value decoded when it is asked for."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from anymq.abc import Record
from anymq.codecs.reading import BodyReader

__all__ = ["StreamRecord"]

T = TypeVar("T")
_UNREAD: Any = object()


class StreamRecord(Generic[T]):
    """One record. ``position`` is a string to keep: ``after(position)`` goes on behind it.

    ``value`` raises DecodeError where the bytes are not what was asked for, each time; the reader
    goes on all the same.
    """

    __slots__ = ("_read", "_value", "raw")

    def __init__(self, raw: Record, read: BodyReader) -> None:
        self.raw = raw
        """As the backend's driver gave it."""
        self._read = read
        self._value = _UNREAD

    @property
    def value(self) -> T:
        """The body, decoded. Raises DecodeError."""
        if self._value is _UNREAD:
            self._value = self._read(self.raw.message)
        value: T = self._value
        return value

    @property
    def position(self) -> str:
        """Where it stands; covers all partitions."""
        return self.raw.position

    @property
    def id(self) -> str:
        """The message's id."""
        return self.raw.message.id

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self.raw.message.topic

    @property
    def body(self) -> bytes:
        """The bytes exactly as they were appended."""
        return self.raw.message.body

    @property
    def key(self) -> str | None:
        """The key it was appended with."""
        return self.raw.message.key

    @property
    def partition(self) -> int:
        """The partition it stands in."""
        return self.raw.partition

    @property
    def appended_at(self) -> float:
        """The backend's time of the append, seconds since the epoch."""
        return self.raw.appended_at

    @property
    def timestamp(self) -> float:
        """When whoever appended it made it, seconds since the epoch."""
        return self.raw.message.timestamp

    @property
    def headers(self) -> dict[str, str]:
        """The user's headers, a copy."""
        return dict(self.raw.message.headers)

    @property
    def correlation_id(self) -> str:
        """What began this conversation: the id that travelled, else the record's own."""
        return self.raw.message.correlation_id or self.raw.message.id

    def __repr__(self) -> str:
        return f"StreamRecord({self.stream!r}, position={self.position!r}, id={self.id!r})"
