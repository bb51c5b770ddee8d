"""Positions of records: one number for the stream and the record, different in every file."""

from __future__ import annotations

from anymq.errors import ConfigError

__all__ = ["FIRST_STREAMS", "ROOM", "number_in", "spell"]

ROOM = 1 << 40
"""Records of one stream; so many that no stream needs more."""
FIRST_STREAMS = 1 << 22
"""A file's streams are numbered from a random one below: a position tells whose it is, and still
fits into SQLite's integers after four million streams more."""


def spell(sid: int, number: int) -> str:
    """The position of a stream's record, as everybody else has it."""
    return str(sid * ROOM + number)


def number_in(sid: int, position: str, stream: str) -> int:
    """The record's number. Raises ConfigError for what is no position of this stream."""
    if position.isascii() and position.isdecimal() and len(position) < 20:
        owner, number = divmod(int(position), ROOM)
        if owner == sid:
            return number
    raise ConfigError(
        f"{position[:40]!r} is no position of stream {stream!r}: it is another stream's, or of"
        " another file that was in this one's place; begin at the earliest record, or at a moment"
    )
