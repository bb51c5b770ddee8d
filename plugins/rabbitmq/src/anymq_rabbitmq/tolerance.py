"""Reading what foreign clients put into headers, whatever it is.

pamqp gives up on a frame with a moment beyond the year 9999, a name that is no UTF-8, or tables
nested without an end. aiormq then drops the connection, the server delivers the same message to
the next one, and so on: one message would stop every consumer. These decoders never give up on
what a server lets through; they replace pamqp's in its own registers, because it has no other way.
"""

from __future__ import annotations

import struct
from typing import Any

from pamqp import decode

__all__ = ["embedded", "tolerate"]

_MAX_DEPTH = 16
"""Tables within tables deeper than this become None."""


def tolerate() -> None:
    """Make pamqp read every header. Idempotent; what it could read before it reads as before."""
    decode.TABLE_MAPPING[b"T"] = _moment
    decode.METHODS["timestamp"] = _moment
    decode.METHODS["shortstr"] = _short_text
    decode.METHODS["table"] = _table


def _moment(value: bytes) -> tuple[int, Any]:
    """A datetime, or the bare number where there is none for it."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, struct.unpack(">Q", value[:8])[0]


def _short_text(value: bytes) -> tuple[int, str]:
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", "replace")


def _table(value: bytes, depth: int = 0) -> tuple[int, dict[str, Any] | None]:
    end = 4 + int(struct.unpack_from(">I", value)[0])
    if depth > _MAX_DEPTH:
        return end, None
    found: dict[str, Any] = {}
    offset = 4
    while offset < end:
        size, name = _short_text(value[offset : offset + 256])
        offset += size
        size, found[name] = embedded(value[offset:end], depth)
        offset += size
    return end, found


def _array(value: bytes, depth: int) -> tuple[int, list[Any] | None]:
    end = 4 + int(struct.unpack_from(">I", value)[0])
    if depth > _MAX_DEPTH:
        return end, None
    found: list[Any] = []
    offset = 4
    while offset < end:
        size, item = embedded(value[offset:end], depth)
        offset += size
        found.append(item)
    return end, found


def embedded(value: bytes, depth: int = 0) -> tuple[int, Any]:
    """Size and value of the field that ``value`` begins with, its type letter included."""
    kind, rest = value[:1], value[1:]
    if kind == b"F":
        size, item = _table(rest, depth + 1)
        return size + 1, item
    if kind == b"A":
        size, items = _array(rest, depth + 1)
        return size + 1, items
    size, other = decode.TABLE_MAPPING[kind](rest)
    return size + 1, other
