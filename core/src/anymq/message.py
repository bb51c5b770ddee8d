"""What travels: the message to send, and the delivery that was received and is not yet settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from anymq.errors import InvalidState

__all__ = ["EMPTY", "Delivery", "HandlingScope", "Lane", "Message", "Priority"]

Lane = Literal["main", "retry", "dead"]
"""Where it stands within its topic: new work, a private retry of a group, or its dead letters."""

Priority = Literal["low", "normal", "high"]

EMPTY: Mapping[str, str] = MappingProxyType({})
"""Shared empty headers; nobody may write into it."""


def _empty() -> Mapping[str, str]:
    """As a factory: before Python 3.12 a dataclass takes the proxy itself for a mutable default."""
    return EMPTY


@dataclass(slots=True, eq=False)
class Message:
    """One message on its way to a backend, encoded. Slotted, and never changed once built.

    Its address is (``topic``, ``group``, ``lane``), optionally not before ``due_at``. With a
    ``group`` it reaches that group alone; without one, every group of the topic.
    """

    topic: str
    body: bytes = field(repr=False)
    id: str
    timestamp: float
    """When it was published, seconds since the epoch."""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=_empty, repr=False)
    """The user's headers; keys in their own case, values any valid UTF-8."""
    key: str | None = None
    partition: int = 0
    """Which of the topic's partitions (core computes it: murmur2 of the key)."""
    group: str | None = None
    lane: Lane = "main"
    due_at: float | None = None
    """Not before this moment (epoch seconds). Set only where ``due_at`` is in ``handles``."""
    expires_at: float | None = None
    priority: int = 1
    """0 low, 1 normal, 2 high."""
    attempt: int = 1
    """Failures recorded by core, plus one."""
    correlation_id: str | None = None
    causation_id: str | None = None
    reply_to: str | None = None
    meta: Mapping[str, str] = field(default_factory=_empty, repr=False)
    """Core's further headers (``traceparent``, ``anymq-*``); a plugin carries them unread."""


class HandlingScope(Protocol):
    """What core attaches to a delivery while a handler has it."""

    @property
    def is_ended(self) -> bool: ...

    def end(self) -> None: ...

    async def wait_ended(self) -> None: ...

    async def publish(self, topic: str, body: Any, /, **options: Any) -> str: ...

    async def settle(self, kind: str, /, value: Any = None) -> bool: ...


@dataclass(slots=True, eq=False)
class Delivery:
    """One message handed to one group, not yet settled.

    Plugins fill the first block; core alone writes ``scope`` and the attempt's copy of the headers.
    """

    message: Message
    group: str | None
    """The group it was delivered to; None for an anonymous subscription."""
    token: Any
    """The plugin's own handle for settling; opaque to everybody else."""
    position: str | None = None
    """Where it stood in the backend, if the backend has positions."""
    delivery_count: int | None = None
    """The backend's count of deliveries, this one included; None where it cannot know."""
    redelivered: bool = False
    """The backend (or a repeated publish) may have delivered this message before."""
    native: Any = None
    """The client library's own object, where there is one. Not portable."""
    value: Any = field(default=None, repr=False)
    """The decoded body, once it was decoded; for middleware and hooks."""
    scope: HandlingScope | None = field(default=None, repr=False)
    _headers: dict[str, str] | None = field(default=None, repr=False)
    _items: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return self.message.id

    @property
    def topic(self) -> str:
        return self.message.topic

    @property
    def body(self) -> bytes:
        """The bytes exactly as the publisher's codec made them."""
        return self.message.body

    @property
    def key(self) -> str | None:
        return self.message.key

    @property
    def partition(self) -> int:
        return self.message.partition

    @property
    def attempt(self) -> int:
        """1 at first, and one more for each failure of the handler."""
        return self.message.attempt

    @property
    def content_type(self) -> str:
        return self.message.content_type

    @property
    def timestamp(self) -> float:
        return self.message.timestamp

    @property
    def correlation_id(self) -> str:
        """What began this conversation: the id that travelled, else this message's own."""
        return self.message.correlation_id or self.message.id

    @property
    def causation_id(self) -> str | None:
        return self.message.causation_id

    @property
    def reply_to(self) -> str | None:
        return self.message.reply_to

    @property
    def headers(self) -> dict[str, str]:
        """The user's headers: a copy for this attempt, so a failed attempt's edits die with it."""
        if self._headers is None:
            self._headers = dict(self.message.headers)
        return self._headers

    @property
    def items(self) -> dict[str, Any]:
        """What middleware, handler and error hooks of this attempt share."""
        if self._items is None:
            self._items = {}
        return self._items

    def start_attempt(self, scope: HandlingScope | None) -> None:
        """Begin one attempt with fresh headers. For core alone."""
        self.scope = scope
        self._headers = None
        self._items = None

    def show_headers(self, headers: Mapping[str, str]) -> None:
        """Have this attempt see other headers than the wire's: an event's attributes. For core."""
        self._headers = dict(headers)

    @property
    def is_ended(self) -> bool:
        """Settled, or no longer ours (lease lost, partition revoked): settling would be stale."""
        return self.scope is not None and self.scope.is_ended

    async def wait_ended(self) -> None:
        """Wait until the delivery's scope ends. Bounded by the handler's own limits only."""
        await self._handling().wait_ended()

    async def publish(self, topic: str, body: Any, /, **options: Any) -> str:
        """Publish as part of this handler: its failure fails the handler. Returns the id.

        Takes the same options as ``App.publish``; correlation and causation are filled in.
        """
        return await self._handling().publish(topic, body, **options)

    async def ack(self) -> bool:
        """Settle now as done (``ack="manual"``). False if somebody settled before."""
        return await self._handling().settle("ack")

    async def release(self) -> bool:
        """Give it back at once, not counted as a failure. False if already settled."""
        return await self._handling().settle("release")

    async def retry(self, delay_s: float = 0.0) -> bool:
        """Have it delivered again not before ``delay_s`` seconds, counted as a failure."""
        return await self._handling().settle("retry", delay_s)

    async def dead_letter(self, reason: str) -> bool:
        """Set it aside for good, with the reason. False if already settled."""
        return await self._handling().settle("dead_letter", reason)

    def _handling(self) -> HandlingScope:
        if self.scope is None:
            raise InvalidState(
                "this delivery is not in a handler, so it cannot be settled or publish"
            )
        return self.scope
