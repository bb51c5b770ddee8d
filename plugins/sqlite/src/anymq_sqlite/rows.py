"""Messages as rows, and back. What most messages lack is one column, ``extra``, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from anymq.abc import Record
from anymq.message import EMPTY, Message

__all__ = ["CONTENT", "CONTENT_COLUMNS", "Row", "content_of", "message_of", "records_of"]

Row = tuple[Any, ...]

CONTENT = (
    *("id", "timestamp", "content_type", "key", "partition"),
    *("attempt", "priority", "expires_at", "extra", "body"),
)
"""The columns that every table with messages has."""
CONTENT_COLUMNS = ", ".join(CONTENT)
_JSON = "application/json"
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def content_of(message: Message) -> Row:
    """A message's columns, in the order of CONTENT."""
    kind = message.content_type
    return (
        message.id,
        message.timestamp,
        None if kind == _JSON else kind,
        message.key,
        message.partition,
        message.attempt,
        message.priority,
        message.expires_at,
        _extra(message),
        message.body,
    )


def message_of(topic: str, fallback_id: str, row: Sequence[Any]) -> Message:
    """The message of a row that ends with CONTENT; whatever a foreign client left out is filled."""
    key, timestamp, kind, lock, partition, attempt, priority, expires_at, extra, body = row[-10:]
    if body.__class__ is not bytes:
        body = _bytes(body)
    message = Message(
        topic,
        body,
        key or fallback_id,
        timestamp or 0.0,
        kind or _JSON,
        EMPTY,
        lock,
        partition,
        None,
        "main",
        None,
        expires_at,
        priority,
        attempt,
    )
    if extra is not None:
        _fill(message, extra)
    return message


def records_of(stream: str, rows: Iterable[Row]) -> list[Record]:
    """The records of rows of a log: rid, time, and CONTENT. Spelled out, for it is called for
    each record that anybody reads."""
    records = []
    for (
        rid,
        at,
        key,
        timestamp,
        kind,
        lock,
        partition,
        attempt,
        priority,
        until,
        extra,
        body,
    ) in rows:
        position = str(rid)
        message = Message(
            stream,
            body if body.__class__ is bytes else _bytes(body),
            key or position,
            timestamp or 0.0,
            kind or _JSON,
            EMPTY,
            lock,
            partition,
            None,
            "main",
            None,
            until,
            priority,
            attempt,
        )
        if extra is not None:
            _fill(message, extra)
        records.append(Record(message, position, at, partition))
    return records


def _bytes(body: object) -> bytes:
    """What a foreign client put there instead of bytes."""
    return body.encode() if isinstance(body, str) else str(body).encode()


def _extra(message: Message) -> str | None:
    if not (
        message.headers
        or message.meta
        or message.correlation_id
        or message.causation_id
        or message.reply_to
        or message.group
        or message.lane != "main"
    ):
        return None
    found: dict[str, Any] = {
        "headers": dict(message.headers),
        "meta": dict(message.meta),
        "correlation_id": message.correlation_id,
        "causation_id": message.causation_id,
        "reply_to": message.reply_to,
        "group": message.group,
        "lane": None if message.lane == "main" else message.lane,
    }
    return _dumps({name: value for name, value in found.items() if value})


def _fill(message: Message, extra: str) -> None:
    """Complete a message that nobody else has yet."""
    found = json.loads(extra)
    get = found.get
    message.headers = get("headers") or EMPTY
    message.meta = get("meta") or EMPTY
    message.correlation_id = get("correlation_id")
    message.causation_id = get("causation_id")
    message.reply_to = get("reply_to")
    message.group = get("group")
    message.lane = get("lane") or "main"
