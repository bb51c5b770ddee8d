"""Stream: an append-only log that can be read again, by position or by time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from anymq.abc.context import EventSink
from anymq.abc.events import Health
from anymq.capabilities import Capabilities
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import TopologyMode

__all__ = [
    "EARLIEST",
    "LATEST",
    "After",
    "At",
    "Earliest",
    "Latest",
    "Record",
    "Start",
    "Stream",
    "StreamReader",
    "StreamSpec",
]


@dataclass(frozen=True, slots=True)
class Earliest:
    """From the oldest record that is kept."""


@dataclass(frozen=True, slots=True)
class Latest:
    """From what is appended after the reader opened."""


@dataclass(frozen=True, slots=True)
class After:
    """From the record behind a position that a record or ``ends`` gave."""

    position: str


@dataclass(frozen=True, slots=True)
class At:
    """From the first record appended at this moment (epoch seconds) or later."""

    time: float


Start = Earliest | Latest | After | At

EARLIEST = Earliest()
LATEST = Latest()


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One declared stream; None means without that limit (or the backend's own)."""

    name: str
    partitions: int = 1
    max_records: int | None = None
    max_bytes: int | None = None
    max_age_s: float | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Record:
    """One record read. ``position`` covers all partitions: storable, and enough to go on from."""

    message: Message
    position: str
    appended_at: float
    """The backend's time of the append, epoch seconds."""
    partition: int = 0


class Stream(ABC):
    """One connection to a backend's logs. Streams and Broker topics are separate worlds."""

    @abstractmethod
    async def open(self, events: EventSink) -> Capabilities:
        """As ``Broker.open``."""

    @abstractmethod
    async def health(self) -> Health:
        """As ``Broker.health``."""

    @abstractmethod
    async def declare(
        self, streams: Sequence[StreamSpec], *, mode: TopologyMode, timeout_s: float
    ) -> None:
        """As ``Broker.declare``, for streams."""

    @abstractmethod
    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Sequence[SendResult]:
        """Append to the streams named by each message's ``topic``; results as ``Broker.send``."""

    @abstractmethod
    async def ends(self, stream: str) -> str:
        """The position of what is last now (``After`` it is nothing yet). Raises TopologyError."""

    @abstractmethod
    async def reader(
        self, stream: str, start: Start, *, follow: bool, prefetch: int
    ) -> StreamReader:
        """Read from ``start``: on and on, or (``follow`` False) to what was last when it opened.

        A reader belongs to no group and moves none. Raises TopologyError, ConfigError (a position
        that is not one of this stream's).
        """

    @abstractmethod
    async def commit(self, stream: str, group: str, position: str) -> None:
        """Store a group's position; never moves it back. Confirmed when it returns."""

    @abstractmethod
    async def committed(self, stream: str, group: str) -> str | None:
        """A group's stored position; None if it has none."""

    @abstractmethod
    async def aclose(self, *, timeout_s: float) -> None:
        """As ``Broker.aclose``."""


class StreamReader(ABC):
    """Reads one stream. One task calls ``receive`` at a time."""

    @abstractmethod
    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        """1 to ``max_records`` records in order per partition, or none after ``wait_s`` seconds.

        Safe to cancel: a record not returned comes with the next call.
        """

    @property
    @abstractmethod
    def is_at_end(self) -> bool:
        """True once a reader without ``follow`` has returned everything it will."""

    @abstractmethod
    async def aclose(self, *, timeout_s: float) -> None:
        """Give up what it holds. Idempotent."""
