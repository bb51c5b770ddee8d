"""A message as data that can be shown: the body as text where it is text, else as base64."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from anymq.message import Message

__all__ = ["body_text", "message_as_data", "moment"]


def message_as_data(message: Message) -> dict[str, Any]:
    """Everything about a message. ``body`` is JSON, text or (``body_base64``) bytes."""
    return {
        "id": message.id,
        "topic": message.topic,
        "time": moment(message.timestamp),
        "key": message.key,
        "attempt": message.attempt,
        "priority": message.priority,
        "content_type": message.content_type,
        "correlation_id": message.correlation_id,
        "causation_id": message.causation_id,
        "reply_to": message.reply_to,
        "headers": dict(message.headers),
        "meta": dict(message.meta),
        **_body_as_data(message),
    }


def body_text(message: Message) -> str:
    """The body on one line: text as it is, anything else as base64."""
    try:
        return " ".join(message.body.decode().split())
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(message.body).decode()


def moment(epoch_s: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds")


def _body_as_data(message: Message) -> dict[str, Any]:
    try:
        text = message.body.decode()
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(message.body).decode()}
    try:
        return {"body": json.loads(text)}
    except ValueError:
        return {"body": text}
