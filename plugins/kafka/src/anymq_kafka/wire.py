"""Messages as Kafka records: the body untouched, metadata as headers, key and partition native."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message as Native

from anymq.message import Lane, Message
from anymq.support.header_map import from_headers, to_headers

__all__ = ["ANY_PARTITION", "OutRecord", "appended_at", "message_of", "position_of", "record_of"]

ANY_PARTITION = -1
"""The partitioner chooses: by the key, at random without one."""


@dataclass(slots=True, eq=False)
class OutRecord:
    """One record to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    """None is a tombstone."""
    headers: list[tuple[str, str | bytes | None]]
    partition: int = ANY_PARTITION


def record_of(message: Message, topic: str) -> OutRecord:
    """A message for one physical topic. A dead letter's key is its id: its topic is compacted."""
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
