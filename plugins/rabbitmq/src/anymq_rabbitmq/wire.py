"""Messages as AMQP properties and bodies, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiormq.abc import DeliveredMessage

from anymq.message import Lane, Message
from anymq.outcome import Rejected
from anymq.support.header_map import from_headers, to_headers
from anymq.support.ids import new_id
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.names import too_long
from anymq_rabbitmq.properties import Properties, read_head

__all__ = [
    "ASSIGNED_ID",
    "appended_at",
    "decode",
    "decode_counted",
    "decode_foreign",
    "encode",
    "encode_record",
]

ASSIGNED_ID = "anymq-assigned-id"
"""Marks a foreign client's message without an id: its id was made at receipt, and is another one
after a redelivery."""

_APPENDED = "x-anymq-appended"
"""When a record was appended. AMQP tells no reader the server's own moment."""

_TOPIC = "x-anymq-topic"
"""The topic of a message that went to a queue directly, or over the ladder."""

_MAX_TTL_MS = 2**32 - 1
"""RabbitMQ takes no longer ones; core looks at the exact moment."""
_ESCAPE = "anymq-user-"
_SERVER_HEADERS = (
    "x-death",
    "x-delivery-",
    "x-first-death-",
    "x-last-death-",
    "x-stream-",
    "x-opt-",
    "x-anymq-",
)
"""Beginnings of the header names that RabbitMQ writes; they never reach a handler."""
_ROUTING_HEADERS = ("CC", "BCC")
"""Header names by which RabbitMQ would route copies elsewhere."""

_CARRIED = frozenset(
    {"anymq-id", "anymq-timestamp", "anymq-content-type", "anymq-key", "traceparent"}
    | {"anymq-group", "anymq-correlation-id", "anymq-causation-id", "anymq-reply-to"}
    | {"anymq-attempt", "anymq-priority", "anymq-partition", "anymq-expires-at"}
)
"""Names that need no looking at: core's own."""
_MAX_NAME_BYTES = 128
_MAX_SHORT_BYTES = 255


def encode(
    message: Message, *, now: float = 0.0, is_routed: bool = False, is_delayed: bool = False
) -> Properties | Rejected:
    """The properties of one message, or why AMQP cannot carry its metadata.

    A user header whose name means something to RabbitMQ travels under an escaped one.
    ``is_routed``: it does not go to its topic's exchange, so it says itself which topic it is of.
    The server drops it once it is too old, unless ``is_delayed``: on the ladder it may not.
    """
    headers: dict[str, str] = to_headers(message)
    if not headers.keys() <= _CARRIED:
        refused = _make_room(headers)
        if refused is not None:
            return refused
    for what, text in (("id", message.id), ("content type", message.content_type)):
        # No character has more than four bytes: most texts are short enough at a glance.
        if len(text) > _MAX_SHORT_BYTES // 4 and len(text.encode()) > _MAX_SHORT_BYTES:
            return too_long(what, len(text.encode()), _MAX_SHORT_BYTES)
    if is_routed:
        headers[_TOPIC] = message.topic
    expiration_ms = None
    if message.expires_at is not None and not is_delayed and message.lane != "dead":
        expiration_ms = min(max(0, math.ceil((message.expires_at - now) * 1000)), _MAX_TTL_MS)
    return Properties(
        content_type=message.content_type,
        headers=headers,
        message_id=message.id,
        timestamp=_moment(message.timestamp),
        expiration_ms=expiration_ms,
    )


def _make_room(headers: dict[str, str]) -> Rejected | None:
    """Escape the names that mean something to the server; why AMQP cannot carry one."""
    for name in [name for name in headers if _is_servers(name)]:
        headers[_ESCAPE + name] = headers.pop(name)
    for name in headers:
        size = len(name.encode())
        if not 0 < size <= _MAX_NAME_BYTES:
            return too_long("name of a header", size, _MAX_NAME_BYTES)
    return None


def encode_record(record: Message, *, appended_at: float) -> Properties | Rejected:
    """As ``encode``, for a stream: with the moment of its append, epoch seconds."""
    properties = encode(record)
    if isinstance(properties, Properties):
        properties.headers[_APPENDED] = repr(appended_at)
    return properties


def appended_at(arrival: Arrival) -> float:
    """When a record was appended; for a foreign client's, when it says that it was sent."""
    _, headers, _, sent_at = read_head(arrival.head)
    try:
        return float(str(headers[_APPENDED]))
    except (KeyError, ValueError):
        return float(sent_at or 0)


def decode(arrival: Arrival, *, topic: str, now: float, lane: Lane | None = None) -> Message:
    """The message in what was delivered. Never fails: what is unreadable gets its default.

    ``topic`` is the logical one; ``now`` stands in for a foreign message's missing time.
    """
    content_type, found, message_id, sent_at = read_head(arrival.head)
    return _message(
        content_type, found, message_id, sent_at, arrival.body, topic=topic, now=now, lane=lane
    )


def decode_counted(arrival: Arrival, *, topic: str, now: float) -> tuple[Message, int | None]:
    """As ``decode``, with how often it came back before; None where the queue does not count."""
    content_type, found, message_id, sent_at = read_head(arrival.head)
    message = _message(
        content_type, found, message_id, sent_at, arrival.body, topic=topic, now=now, lane=None
    )
    counted = found.get("x-delivery-count", 0)
    return message, counted if isinstance(counted, int) else None


def decode_foreign(received: DeliveredMessage, *, topic: str, now: float, lane: Lane) -> Message:
    """As ``decode``, for a message that the client library read."""
    properties = received.header.properties
    sent_at = properties.timestamp
    return _message(
        properties.content_type or "",
        properties.headers or {},
        properties.message_id or "",
        int(sent_at.timestamp()) if isinstance(sent_at, datetime) else None,
        received.body,
        topic=topic,
        now=now,
        lane=lane,
    )


def _message(
    content_type: str,
    found: Mapping[str, Any],
    message_id: str,
    sent_at: int | None,
    body: bytes,
    *,
    topic: str,
    now: float,
    lane: Lane | None,
) -> Message:
    headers: dict[str, str] = {}
    for name, value in found.items():
        if name.startswith(_ESCAPE):
            headers[name[len(_ESCAPE) :]] = _text(value)
        elif not _is_servers(name):
            headers[name] = value if isinstance(value, str) else _text(value)
    if "anymq-id" not in headers:
        if not message_id:
            message_id = new_id()
            headers[ASSIGNED_ID] = "1"
        if content_type:
            headers.setdefault("anymq-content-type", content_type)
    if lane is None:
        lane = "retry" if "anymq-group" in headers else "main"
    routed = found.get(_TOPIC)
    return from_headers(
        headers,
        topic=routed if isinstance(routed, str) else topic,
        body=body,
        fallback_id=message_id,
        fallback_time=now if sent_at is None else float(sent_at),
        lane=lane,
    )


def _is_servers(name: str) -> bool:
    return name.startswith(_SERVER_HEADERS) or name in _ROUTING_HEADERS


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, default=_text)
    return str(value)


def _moment(timestamp: float) -> int | None:
    """Whole seconds; None outside AMQP's range: the header keeps the exact number."""
    return int(timestamp) if 0 <= timestamp < 2**63 else None
