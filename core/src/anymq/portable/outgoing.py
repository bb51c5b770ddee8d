"""From a value and publish options to one encoded Message: the first station of the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypedDict

from anymq.codecs.codec import Codec
from anymq.codecs.envelope import Envelope
from anymq.errors import MessageTooLarge, PublishRejected
from anymq.message import EMPTY, Message, Priority
from anymq.support.clock import Clock
from anymq.support.header_map import PREFIX, TRACE_HEADERS
from anymq.support.ids import new_id
from anymq.support.partitioner import partition_of

__all__ = ["MessageBuilder", "PublishOptions", "Stamp", "check_headers"]

PRIORITIES: Mapping[str, int] = {"low": 0, "normal": 1, "high": 2}
Stamp = Callable[[Message], Mapping[str, str]]
"""Gives further meta for a message about to be sent (trace context, CloudEvents attributes)."""


class PublishOptions(TypedDict, total=False):
    """What a publish may say besides topic and body; all optional."""

    key: str | None
    headers: Mapping[str, str] | None
    delay_s: float | None
    priority: Priority
    ttl_s: float | None
    message_id: str | None
    correlation_id: str | None
    causation_id: str | None
    reply_to: str | None


@dataclass(slots=True, eq=False)
class MessageBuilder:
    """Encodes, validates and addresses. One per App; shared by all publishes."""

    codec: Codec
    clock: Clock
    max_message_bytes: int
    partitions: Mapping[str, int]
    envelope: Envelope | None = None
    stamps: tuple[Stamp, ...] = ()
    _spread: count[int] = field(default_factory=count)
    """Round robin over partitions for messages without a key."""

    def build(
        self,
        topic: str,
        body: Any,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        delay_s: float | None = None,
        priority: Priority = "normal",
        ttl_s: float | None = None,
        message_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        reply_to: str | None = None,
    ) -> Message:
        """One message, ready to send.

        Raises: PublishRejected("invalid") for options or bodies that no backend can carry,
        MessageTooLarge. Nothing was sent then.
        """
        now = self.clock.time()
        encoded = self.codec.encode(body)
        if len(encoded) > self.max_message_bytes:
            raise MessageTooLarge(len(encoded), self.max_message_bytes, topic)
        partitions = self.partitions.get(topic, 1)
        message = Message(
            topic,
            encoded,
            message_id or new_id(),
            now,
            self.codec.content_type,
            check_headers(headers) if headers else EMPTY,
            key,
            0 if partitions == 1 else self._partition(key, partitions),
            None,
            "main",
            None if delay_s is None else _due(now, delay_s),
            None if ttl_s is None else _expiry(now, ttl_s),
            1 if priority == "normal" else _priority(priority),
            1,
            correlation_id,
            causation_id,
            reply_to,
        )
        if self.envelope is not None or self.stamps:
            return self._finish(message)
        return message

    def _finish(self, message: Message) -> Message:
        if self.stamps:
            meta: dict[str, str] = {}
            for stamp in self.stamps:
                meta.update(stamp(message))
            message.meta = meta
        if self.envelope is None:
            return message
        wrapped = self.envelope.wrap(message)
        if len(wrapped.body) > self.max_message_bytes:
            raise MessageTooLarge(len(wrapped.body), self.max_message_bytes, message.topic)
        return wrapped

    def _partition(self, key: str | None, partitions: int) -> int:
        if key is None:
            return next(self._spread) % partitions
        return partition_of(key, partitions)


_SURROGATE = re.compile("[\ud800-\udfff]")


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """A copy of the user's headers. Raises PublishRejected("invalid") naming the bad one."""
    checked: dict[str, str] = {}
    given: Mapping[Any, Any] = headers  # what is typed can still be passed wrongly
    for name, value in given.items():
        if not isinstance(name, str) or not name:
            raise _invalid(f"header names are non-empty str, not {name!r}")
        if not isinstance(value, str):
            kind = type(value).__name__
            raise _invalid(f"header {name!r} must be str, not {kind}: convert it first")
        if name.lower().startswith(PREFIX) or name.lower() in TRACE_HEADERS:
            raise _invalid(f"header {name!r} is reserved for AnyMQ: choose another name")
        if _SURROGATE.search(name) or _SURROGATE.search(value):
            raise _invalid(f"header {name!r} is not valid Unicode (a lone surrogate)")
        checked[name] = value
    return checked


def _due(now: float, delay_s: float) -> float | None:
    if delay_s != delay_s or delay_s > MAX_DELAY_S:
        raise _invalid(f"delay_s={delay_s!r} must be at most {MAX_DELAY_S} s (ten years)")
    return now + delay_s if delay_s > 0 else None


MAX_DELAY_S = 10 * 365.25 * 86400


def _expiry(now: float, ttl_s: float) -> float:
    if not ttl_s > 0:
        raise _invalid(f"ttl_s={ttl_s!r} must be a positive number of seconds")
    return now + ttl_s


def _priority(priority: str) -> int:
    try:
        return PRIORITIES[priority]
    except KeyError:
        raise _invalid(f"priority={priority!r} must be one of {', '.join(PRIORITIES)}") from None


def _invalid(message: str) -> PublishRejected:
    return PublishRejected("invalid", message)
