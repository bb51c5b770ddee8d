"""Messages as Kafka records: the body untouched, metadata as headers, key and partition native."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message as Native

from anymq.message import EMPTY, Lane, Message
from anymq.support.header_map import PREFIX, TRACE_HEADERS, from_headers, to_headers

__all__ = ["ANY_PARTITION", "OutRecord", "appended_at", "message_of", "position_of", "record_of"]

ANY_PARTITION = -1
"""The partitioner chooses: by the key, at random without one."""


Headers = list[tuple[str, str | bytes | None]]


@dataclass(slots=True, eq=False)
class OutRecord:
    """One record to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    """None is a tombstone."""
    headers: Headers
    partition: int = ANY_PARTITION


def record_of(message: Message, topic: str) -> OutRecord:
    """A message for one physical topic. A dead letter's key is its id: its topic is compacted."""
    headers = _plain_headers(message)
    if headers is not None:
        key = message.key
        partition = ANY_PARTITION if key is not None else message.partition or ANY_PARTITION
        return OutRecord(
            topic, None if key is None else key.encode(), message.body, headers, partition
        )
    return _any_record_of(message, topic)


def _plain_headers(message: Message) -> Headers | None:
    """Of what most messages are: nothing but id, time, content type and the user's headers."""
    if (
        message.lane != "main"
        or message.attempt != 1
        or message.priority != 1
        or message.group is not None
        or message.correlation_id is not None
        or message.causation_id is not None
        or message.reply_to is not None
        or message.expires_at is not None
        or message.meta
    ):
        return None
    user = message.headers.items() if message.headers else ()
    return [
        *user,
        ("anymq-id", message.id),
        ("anymq-timestamp", repr(message.timestamp)),
        ("anymq-content-type", message.content_type),
    ]


def _any_record_of(message: Message, topic: str) -> OutRecord:
    headers = to_headers(message)
    headers.pop("anymq-partition", None)
    key: str | None = message.key
    partition = ANY_PARTITION
    if message.lane == "dead":
        key = message.id
    else:
        headers.pop("anymq-key", None)
        if key is None and message.partition:
            partition = message.partition
    return OutRecord(
        topic=topic,
        key=None if key is None else key.encode(),
        value=message.body,
        headers=[(name, value.encode()) for name, value in headers.items()],
        partition=partition,
    )


def message_of(native: Native, topic: str, lane: Lane) -> Message:
    """A record read back. A foreign client's has no headers: its id is its position."""
    return _plain_message(native, topic, lane) or _any_message(native, topic, lane)


def _plain_message(native: Native, topic: str, lane: Lane) -> Message | None:
    """The counterpart of ``_plain_headers``; None for what needs a closer look."""
    pairs: Any = native.headers()
    if not pairs or len(pairs) < len(_PLAIN) or lane == "dead":
        return None
    (id_name, message_id), (time_name, sent_at), (type_name, content) = pairs[-3:]
    if (id_name, time_name, type_name) != _PLAIN:
        return None
    user: Mapping[str, str] = EMPTY
    if len(pairs) > len(_PLAIN):
        user = {}
        for name, value in pairs[:-3]:
            if value is None or name.startswith(PREFIX) or name in TRACE_HEADERS:
                return None
            user[name] = value.decode(errors="replace")
    try:
        timestamp = float(sent_at)
        content_type = _JSON if content == _JSON_BYTES else content.decode()
        message_id = message_id.decode()
    except (ValueError, TypeError, AttributeError):
        return None
    if not (message_id and content_type and math.isfinite(timestamp)):
        return None
    key, body = native.key(), native.value()
    return Message(
        topic,
        body if isinstance(body, bytes) else _bytes(body),
        message_id,
        timestamp,
        content_type,
        user,
        None if key is None else _text(key),
        native.partition() or 0,
        lane=lane,
    )


_PLAIN = ("anymq-id", "anymq-timestamp", "anymq-content-type")
"""The last three headers of what we send, in this order."""
_JSON = "application/json"
_JSON_BYTES = _JSON.encode()


def _any_message(native: Native, topic: str, lane: Lane) -> Message:
    pairs: Any = native.headers() or ()
    found = {name: _text(value) for name, value in pairs}
    key = native.key()
    if key is not None and lane != "dead":
        found["anymq-key"] = _text(key)
    partition = native.partition() or 0
    message = from_headers(
        found,
        topic=topic,
        body=_bytes(native.value()),
        fallback_id=f"{native.topic()}:{position_of(native)}",
        fallback_time=appended_at(native),
        lane=lane,
    )
    message.partition = partition
    return message


def appended_at(native: Native) -> float:
    """The record's timestamp, epoch seconds."""
    return native.timestamp()[1] / 1000


def position_of(native: Native) -> str:
    """``partition:offset``."""
    return f"{native.partition()}:{native.offset()}"


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
