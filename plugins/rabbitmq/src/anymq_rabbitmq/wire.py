"""Messages as AMQP properties and bodies, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from anymq.message import Lane, Message
from anymq.outcome import Rejected
from anymq.support.header_map import from_headers, to_headers
from anymq.support.ids import new_id
from anymq_rabbitmq.names import too_long

__all__ = ["ASSIGNED_ID", "PERSISTENT", "appended_at", "decode", "encode", "encode_record"]

PERSISTENT = 2
"""delivery_mode: written to disk before it is confirmed."""

ASSIGNED_ID = "anymq-assigned-id"
"""Marks a foreign client's message without an id: its id was made at receipt, and is another one
after a redelivery."""

_APPENDED = "x-anymq-appended"
"""When a record was appended. AMQP tells no reader the server's own moment."""

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

_MAX_NAME_BYTES = 128
_MAX_SHORT_BYTES = 255


def encode(message: Message) -> Basic.Properties | Rejected:
    """The properties of one message, or why AMQP cannot carry its metadata.

    A user header whose name means something to RabbitMQ travels under an escaped one.
    """
    headers: dict[str, Any] = to_headers(message)
    for name in [name for name in headers if _is_servers(name)]:
        headers[_ESCAPE + name] = headers.pop(name)
    for name in headers:
        size = len(name.encode())
        if not 0 < size <= _MAX_NAME_BYTES:
            return too_long("name of a header", size, _MAX_NAME_BYTES)
    for what, text in (("id", message.id), ("content type", message.content_type)):
        if len(text.encode()) > _MAX_SHORT_BYTES:
            return too_long(what, len(text.encode()), _MAX_SHORT_BYTES)
    return Basic.Properties(
        content_type=message.content_type,
        headers=headers,
        delivery_mode=PERSISTENT,
        message_id=message.id,
        timestamp=_moment(message.timestamp),
    )


def encode_record(record: Message, *, appended_at: float) -> Basic.Properties | Rejected:
    """As ``encode``, for a stream: with the moment of its append, epoch seconds."""
    properties = encode(record)
    if isinstance(properties, Basic.Properties) and properties.headers is not None:
        properties.headers[_APPENDED] = repr(appended_at)
    return properties


def appended_at(received: DeliveredMessage) -> float:
    """When a record was appended; for a foreign client's, when it says that it was sent."""
    properties = received.header.properties
    try:
        return float(str((properties.headers or {})[_APPENDED]))
    except (KeyError, ValueError):
        sent_at = properties.timestamp
        return sent_at.timestamp() if isinstance(sent_at, datetime) else 0.0


def decode(
    received: DeliveredMessage, *, topic: str, now: float, lane: Lane | None = None
) -> Message:
    """The message in what was delivered. Never fails: what is unreadable gets its default.

    ``topic`` is the logical one; ``now`` stands in for a foreign message's missing time.
    """
    properties = received.header.properties
    headers: dict[str, str] = {}
    for name, value in (properties.headers or {}).items():
        if name.startswith(_ESCAPE):
            headers[name[len(_ESCAPE) :]] = _text(value)
        elif not _is_servers(name):
            headers[name] = value if isinstance(value, str) else _text(value)
    message_id = properties.message_id or ""
    if "anymq-id" not in headers:
        if not message_id:
            message_id = new_id()
            headers[ASSIGNED_ID] = "1"
        if properties.content_type:
            headers.setdefault("anymq-content-type", properties.content_type)
    if lane is None:
        lane = "retry" if "anymq-group" in headers else "main"
    sent_at = properties.timestamp
    return from_headers(
        headers,
        topic=topic,
        body=received.body,
        fallback_id=message_id,
        fallback_time=sent_at.timestamp() if isinstance(sent_at, datetime) else now,
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


def _moment(timestamp: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(timestamp), UTC)
    except (OverflowError, ValueError, OSError):
        return None  # outside AMQP's range; the header keeps the exact number
