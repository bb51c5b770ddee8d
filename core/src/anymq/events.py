"""What an application can be told of besides its messages: ``@app.on_event``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anymq.abc import BackendEvent

__all__ = [
    "AppEvent",
    "ConsumerStopped",
    "CrashLoop",
    "HookFailed",
    "MessageDropped",
    "OrderGivenUp",
    "RecordsLost",
    "ReplyDropped",
    "SettlementLost",
]


@dataclass(frozen=True, slots=True)
class SettlementLost:
    """A settlement came too late or its fate is unknown: the message may be handled again."""

    topic: str
    group: str | None
    message_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderGivenUp:
    """A failing message held its key for ``max_block_s``; later ones of the key now pass it."""

    topic: str
    group: str | None
    key: str
    message_id: str


@dataclass(frozen=True, slots=True)
class HookFailed:
    """An error or event hook raised: critical, since somebody was not told."""

    hook: str
    error: str
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class MessageDropped:
    """A message was given up for good by policy (``on_exhausted="drop"`` or its TTL)."""

    topic: str
    group: str | None
    message_id: str
    reason: Literal["exhausted", "expired"]


@dataclass(frozen=True, slots=True)
class CrashLoop:
    """A message came back from ``max_deliveries`` deliveries and is now started alone."""

    topic: str
    group: str | None
    message_id: str


@dataclass(frozen=True, slots=True)
class RecordsLost:
    """Retention removed records that a reader had still to read; it goes on behind them."""

    stream: str
    group: str | None
    """The group that was to read them; None: a reader of its own."""
    count: int
    after: str | None
    """The position behind which they stood; None: the reader had read nothing yet."""


@dataclass(frozen=True, slots=True)
class ReplyDropped:
    """A reply came to which no request waits any more."""

    message_id: str
    causation_id: str | None
    """The id of the request that it answers."""


@dataclass(frozen=True, slots=True)
class ConsumerStopped:
    """A subscriber ended for good; health is down until the application is restarted."""

    subscriber: str
    error: str


AppEvent = (
    BackendEvent
    | SettlementLost
    | OrderGivenUp
    | HookFailed
    | MessageDropped
    | CrashLoop
    | RecordsLost
    | ReplyDropped
    | ConsumerStopped
)
