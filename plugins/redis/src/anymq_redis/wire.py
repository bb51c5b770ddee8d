"""Stream entries: field ``body`` with exactly the body, then one field for each header.

Read as pairs, not as a mapping: the first ``body`` is the body, so a user's header of that name is
safe behind it. An entry of a foreign client needs ``body`` alone; without it, the body is empty.
"""

from __future__ import annotations

from collections.abc import Sequence

from anymq.message import Lane, Message
from anymq.outcome import Rejected
from anymq.support.header_map import from_headers, to_headers
from anymq_redis.link import Argument

__all__ = ["MAX_FIELDS", "RETURNED", "UnsendableError", "decode", "encode", "fault_of", "id_time"]

MAX_FIELDS = 3000
"""Most headers of one message: a script can pass on about 8000 strings at a time."""

RETURNED = "anymq-returned"
"""How often an entry was delivered before it was given back. Never shown to core."""

_BODY = b"body"


class UnsendableError(Exception):
    """A batch holds a message that cannot be stored: look for it with ``fault_of``."""


def encode(message: Message) -> list[Argument]:
    """The strings of an entry: field, value, field, value …"""
    fields: list[Argument] = [_BODY, message.body]
    for name, value in to_headers(message).items():
        fields.append(name)
        fields.append(value)
    return fields


def fault_of(message: Message, fields: Sequence[Argument]) -> Rejected | None:
    """Why a message cannot be stored, or None."""
    if len(fields) > 2 * MAX_FIELDS:
        return Rejected("invalid", f"{len(fields) // 2} headers are more than {MAX_FIELDS}")
    try:
        for field in fields:
            if isinstance(field, str):
                field.encode()
    except UnicodeEncodeError:
        return Rejected("invalid", f"a header of message {message.id!r} is no valid UTF-8")
    return None


def decode(
    fields: Sequence[bytes], *, topic: str, lane: Lane, position: str, entry_id: str
) -> tuple[Message, int | None]:
    """The message of an entry, and how often it was delivered before it was given back."""
    try:
        body, headers = _read(fields)
    except UnicodeDecodeError:
        replaced = [f.decode("utf-8", "replace").encode() for f in fields]
        headers = _read(replaced)[1]
        body = _read_body(fields)
    returned: int | None = None
    if RETURNED in headers:
        text = headers.pop(RETURNED)
        returned = int(text) if text.isdecimal() else 0
    message = from_headers(
        headers,
        topic=topic,
        body=body,
        fallback_id=position,
        fallback_time=id_time(entry_id),
        lane=lane,
    )
    return message, returned


def _read(fields: Sequence[bytes]) -> tuple[bytes, dict[str, str]]:
    """The body and all other fields. Raises UnicodeDecodeError for what is no text."""
    body: bytes | None = None
    headers: dict[str, str] = {}
    pairs = iter(fields)
    for name in pairs:
        if name == _BODY and body is None:
            body = next(pairs)
        else:
            headers[name.decode()] = next(pairs).decode()
    return body or b"", headers


def _read_body(fields: Sequence[bytes]) -> bytes:
    names = fields[::2]
    return fields[2 * names.index(_BODY) + 1] if _BODY in names else b""


def id_time(entry_id: str) -> float:
    """The server's time of an entry, epoch seconds."""
    return int(entry_id.partition("-")[0]) / 1000
