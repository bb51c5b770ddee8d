"""Message metadata as flat string headers, and back: the wire format that plugins share.

User headers keep their names. Everything else is ``anymq-*``, plus ``traceparent`` and
``tracestate``; see docs/wire-format.md. A message without any header is a foreign client's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from anymq.message import EMPTY, Lane, Message

__all__ = ["PREFIX", "TRACE_HEADERS", "from_headers", "to_headers"]

PREFIX = "anymq-"
TRACE_HEADERS = ("traceparent", "tracestate")

_TEXT_FIELDS = (
    ("anymq-key", "key"),
    ("anymq-group", "group"),
    ("anymq-correlation-id", "correlation_id"),
    ("anymq-causation-id", "causation_id"),
    ("anymq-reply-to", "reply_to"),
)


def to_headers(message: Message) -> dict[str, str]:
    """All metadata but topic and body as ``str -> str``; fields at their default are left out."""
    headers = dict(message.headers)
    headers.update(message.meta)
    headers["anymq-id"] = message.id
    headers["anymq-timestamp"] = repr(message.timestamp)
    headers["anymq-content-type"] = message.content_type
    for header, name in _TEXT_FIELDS:
        value = getattr(message, name)
        if value is not None:
            headers[header] = value
    if message.attempt != 1:
        headers["anymq-attempt"] = str(message.attempt)
    if message.priority != 1:
        headers["anymq-priority"] = str(message.priority)
    if message.partition:
        headers["anymq-partition"] = str(message.partition)
    if message.expires_at is not None:
        headers["anymq-expires-at"] = repr(message.expires_at)
    return headers


def from_headers(
    headers: Mapping[str, str],
    *,
    topic: str,
    body: bytes,
    fallback_id: str,
    fallback_time: float,
    lane: Lane = "main",
    due_at: float | None = None,
) -> Message:
    """Build a message from headers. What is missing or unreadable gets its default.

    ``fallback_id`` and ``fallback_time`` are for messages that a foreign client put there.
    """
    get = headers.get
    message_id, sent_at = get("anymq-id"), get("anymq-timestamp")
    content_type = get("anymq-content-type")
    timestamp = fallback_time if sent_at is None else _number(sent_at, fallback_time) or 0.0
    if len(headers) == 3 and message_id and sent_at and content_type:  # as most have
        return Message(
            topic=topic,
            body=body,
            id=message_id,
            timestamp=timestamp,
            content_type=content_type,
            headers=EMPTY,
            lane=lane,
            due_at=due_at,
            meta=EMPTY,
        )
    user: dict[str, str] = {}
    meta: dict[str, str] = {}
    for name, value in headers.items():
        if name in _KNOWN:
            continue
        if name.startswith(PREFIX) or name in TRACE_HEADERS:
            meta[name] = value
        else:
            user[name] = value
    return Message(
        topic=topic,
        body=body,
        id=message_id or fallback_id,
        timestamp=timestamp,
        content_type=content_type or "application/json",
        headers=user,
        key=get("anymq-key"),
        partition=_whole(get("anymq-partition"), 0, least=0, most=_MAX),
        group=get("anymq-group"),
        lane=lane,
        due_at=due_at,
        expires_at=_number(get("anymq-expires-at"), None),
        priority=_whole(get("anymq-priority"), 1, least=0, most=2),
        attempt=_whole(get("anymq-attempt"), 1, least=1, most=_MAX),
        correlation_id=get("anymq-correlation-id"),
        causation_id=get("anymq-causation-id"),
        reply_to=get("anymq-reply-to"),
        meta=meta,
    )


_KNOWN = frozenset(
    [header for header, _ in _TEXT_FIELDS]
    + ["anymq-id", "anymq-timestamp", "anymq-content-type", "anymq-attempt"]
    + ["anymq-priority", "anymq-partition", "anymq-expires-at"]
)
_MAX = 2**31 - 1


def _number(text: str | None, default: float | None) -> float | None:
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        return default
    return number if math.isfinite(number) else default


def _whole(text: str | None, default: int, *, least: int, most: int) -> int:
    """A whole number within its bounds: a stranger may write what core could not count with."""
    if text is None:
        return default
    number = _number(text, None)
    return default if number is None else int(min(max(number, least), most))
