"""Stream positions as text: for every partition the last offset that was read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from anymq.errors import ConfigError

__all__ = ["NOTHING_READ", "format_position", "parse_position"]

NOTHING_READ = -1
_POSITION = re.compile(r"(0|[1-9]\d*):(-1|0|[1-9]\d*)")


def format_position(last: Mapping[int, int]) -> str:
    """``0:41,1:-1``: partition 0 was read up to offset 41, of partition 1 nothing was."""
    return ",".join(f"{number}:{last[number]}" for number in sorted(last))


def parse_position(text: str, *, partitions: int) -> dict[int, int]:
    """Last offsets by partition; of partitions that are not named nothing was read.

    Raises ConfigError for what is no position of a stream with so many partitions.
    """
    found: dict[int, int] = {}
    for part in text.split(","):
        match = _POSITION.fullmatch(part)
        number = int(match[1]) if match else partitions
        if match is None or number >= partitions or number in found:
            raise ConfigError(
                f"{text!r} is no position of this stream of {partitions} partition(s):"
                " use one that a record or the stream's end gave, as in '0:41'"
            )
        found[number] = int(match[2])
    return found
