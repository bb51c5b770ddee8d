"""The properties of a message as bytes, and back: what every message costs, so without a library.

pamqp builds an object per property and a bytes object per field; these two functions know the few
shapes that AnyMQ writes, and leave everything else that may arrive to pamqp.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from anymq_rabbitmq.tolerance import embedded

__all__ = ["PERSISTENT", "Properties", "encode_head", "read_head"]

PERSISTENT = 2
"""delivery_mode: written to disk before it is confirmed."""

_FIXED = struct.Struct(">HHQH")
_SIZE = struct.Struct(">I")
_LONG = struct.Struct(">Q")
_CONTENT_TYPE, _ENCODING, _HEADERS, _MODE = 0x8000, 0x4000, 0x2000, 0x1000
_PRIORITY, _EXPIRATION, _ID, _TIMESTAMP = 0x0800, 0x0100, 0x0080, 0x0040
_BASIC = 60


@dataclass(slots=True, eq=False)
class Properties:
    """What AnyMQ sets of AMQP's properties; the message is persistent."""

    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    message_id: str = ""
    timestamp: int | None = None
    """Seconds since the epoch; the header has the exact number."""
    expiration_ms: int | None = None
    priority: int | None = None


def encode_head(properties: Properties, body_size: int) -> bytes:
    """The payload of the content header frame."""
    flags = _CONTENT_TYPE | _HEADERS | _MODE | _ID
    pieces = [b"", _short(properties.content_type), _table(properties.headers), b"\x02"]
    if properties.priority is not None:
        flags |= _PRIORITY
        pieces.append(bytes((properties.priority,)))
    if properties.expiration_ms is not None:
        flags |= _EXPIRATION
        pieces.append(_short(str(properties.expiration_ms)))
    pieces.append(_short(properties.message_id))
    if properties.timestamp is not None:
        flags |= _TIMESTAMP
        pieces.append(_LONG.pack(properties.timestamp))
    pieces[0] = _FIXED.pack(_BASIC, 0, body_size, flags)
    return b"".join(pieces)


def read_head(head: bytes) -> tuple[str, dict[str, Any], str, int | None]:
    """Content type, headers, message id and timestamp in a content header's payload.

    Never fails on what a server lets through: an unreadable name or text has replacement
    characters.
    """
    flags = (head[12] << 8) | head[13]
    at = 14
    if flags & 1:  # more flags follow: nobody defines any
        at = 16
    content_type, headers, message_id, timestamp = "", {}, "", None
    if flags & _CONTENT_TYPE:
        end = at + 1 + head[at]
        content_type, at = head[at + 1 : end].decode("utf-8", "replace"), end
    if flags & _ENCODING:
        at += 1 + head[at]
    if flags & _HEADERS:
        end = at + 4 + int.from_bytes(head[at : at + 4], "big")
        headers, at = _read_table(head, at + 4, end), end
    at += bool(flags & _MODE) + bool(flags & _PRIORITY)
    for bit in (0x0400, 0x0200, _EXPIRATION):  # correlation id, reply to, expiration
        if flags & bit:
            at += 1 + head[at]
    if flags & _ID:
        end = at + 1 + head[at]
        message_id, at = head[at + 1 : end].decode("utf-8", "replace"), end
    if flags & _TIMESTAMP:
        timestamp = int.from_bytes(head[at : at + 8], "big")
    return content_type, headers, message_id, timestamp


def _read_table(head: bytes, at: int, end: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = _names
    while at < end:
        stop = at + 1 + head[at]
        raw = head[at + 1 : stop]
        name = names.get(raw)
        if name is None:
            name = _learn(raw)
        if head[stop] == 83:  # "S", a long string: what AnyMQ writes
            at = stop + 5 + int.from_bytes(head[stop + 1 : stop + 5], "big")
            found[name] = head[stop + 5 : at].decode("utf-8", "replace")
        else:
            size, found[name] = embedded(head[stop:end])
            at = stop + size
    return found


_names: dict[bytes, str] = {}
_MAX_NAMES = 1_000


def _learn(raw: bytes) -> str:
    """Remember a header's name: the same few come with every message."""
    name = raw.decode("utf-8", "replace")
    if len(_names) < _MAX_NAMES:
        _names[raw] = name
    return name


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw


def _table(headers: dict[str, str]) -> bytes:
    pieces: list[bytes] = []
    pack = _SIZE.pack
    for name, value in headers.items():
        raw = value.encode()
        pieces += (_field(name), pack(len(raw)), raw)
    table = b"".join(pieces)
    return pack(len(table)) + table


@lru_cache(maxsize=1024)
def _field(name: str) -> bytes:
    """A header's name and kind: the same few go with every message."""
    return _short(name) + b"S"
