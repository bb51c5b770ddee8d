"""Positions in a Stream: one server id for each partition, in one string."""

from __future__ import annotations

import re
from collections.abc import Sequence

from anymq.errors import ConfigError

__all__ = ["BEGIN", "above", "before", "between", "join", "parse"]

BEGIN = "0-0"
"""Before the first entry of any stream."""

_ID = re.compile(r"(\d{1,20})-(\d{1,20})")
_LAST_SEQUENCE = 2**64 - 1


def join(ids: Sequence[str]) -> str:
    """The position of ids, by partition."""
    return ",".join(ids)


def parse(position: str, partitions: int) -> list[str]:
    """The ids of a position. Raises ConfigError for one that is not of such a stream."""
    ids = position.split(",")
    if len(ids) != partitions or not all(_ID.fullmatch(one) for one in ids):
        raise ConfigError(
            f"{position!r} is no position of this stream: use one that a record gave"
            f" (it has {partitions} partition(s))"
        )
    return ids


def before(moment: float) -> str:
    """The last id before a moment (epoch seconds), of which the server keeps the millisecond."""
    ms = int(moment * 1000)
    return f"{ms - 1}-{_LAST_SEQUENCE}" if ms > 0 else BEGIN


def above(one: str, other: str) -> bool:
    """Whether an id is later than another."""
    return _number(one) > _number(other)


def between(one: str, other: str, *, and_it: bool = False) -> int:
    """How many records lie between two ids of one partition, or up to the other ``and_it``.

    None where the first is no record's: nobody is owed what was there before.
    """
    (_, before_it), (_, behind_it) = _number(one), _number(other)
    if one == BEGIN or before_it == _LAST_SEQUENCE:
        return 0
    return max(0, behind_it - before_it - (not and_it))


def _number(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence)
