"""The context attributes of an event: made from a message, or found among headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from anymq.message import Message

__all__ = [
    "CONTENT_TYPE_HEADER",
    "PREFIX",
    "attributes_of",
    "content_type_header",
    "from_headers",
    "without_attributes",
]

PREFIX = "ce_"
"""Of the headers we write: that of the Kafka binding, on every backend."""

CONTENT_TYPE_HEADER = "content-type"
"""Carries ``datacontenttype`` in binary mode."""

_HEADER = re.compile(r"(?:ce[_-]|cloudevents[:_])([a-z0-9]+)", re.IGNORECASE)
"""Prefixes on the way in: Kafka ``ce_``, RabbitMQ ``ce-``, AMQP 1.0 ``cloudEvents:``."""

_NOT_GIVEN = frozenset(["specversion", "id", "time", "datacontenttype", "data"])
"""Never taken from the publisher's headers: copied from another event, they would be wrong."""


def attributes_of(message: Message, source: str) -> dict[str, str]:
    """The attributes of an outgoing message, ``datacontenttype`` included.

    Headers such as ``ce_type``, ``ce_source``, ``ce_subject`` and those of extensions override
    what is derived; ``id``, ``time`` and ``specversion`` are always the message's.
    """
    attributes = {
        "specversion": "1.0",
        "id": message.id,
        "source": source,
        "type": str(message.topic),  # a declared topic is a str of its own kind, which JSON refuses
        "time": _rfc3339(message.timestamp),
        "datacontenttype": message.content_type,
    }
    if message.key is not None:
        attributes["partitionkey"] = message.key
    given = from_headers(message.headers)
    return attributes | {name: given[name] for name in given.keys() - _NOT_GIVEN}


def from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes that headers in binary mode carry, by their plain names; empty if none do.

    Any binding's prefix counts, in any case. A ``content-type`` header is ``datacontenttype``,
    but by itself makes no event.
    """
    attributes = {
        match[1].lower(): value
        for name, value in headers.items()
        if (match := _HEADER.fullmatch(name)) is not None
    }
    content_type = content_type_header(headers)
    if attributes and content_type is not None:
        attributes["datacontenttype"] = content_type
    return attributes


def without_attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are none of an event's attributes: beside a structured event, those would
    make readers take it for a binary one."""
    return {name: value for name, value in headers.items() if not _HEADER.fullmatch(name)}


def content_type_header(headers: Mapping[str, str]) -> str | None:
    """The value of the header ``content-type``, however it is capitalised."""
    for name, value in headers.items():
        if name.lower() == CONTENT_TYPE_HEADER:
            return value
    return None


def _rfc3339(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat().replace("+00:00", "Z")
