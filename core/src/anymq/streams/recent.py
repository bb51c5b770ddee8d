"""Which ids were seen lately."""

from __future__ import annotations

__all__ = ["REMEMBERED", "Recent"]

REMEMBERED = 10_000
"""Ids that ``read(distinct=True)`` remembers: what a publisher repeats comes again at once."""


class Recent:
    """The last ids seen, in a bounded memory."""

    __slots__ = ("_ids", "_size")

    def __init__(self, size: int = REMEMBERED) -> None:
        self._ids: dict[str, None] = {}  # in the order in which they were first seen
        self._size = size

    def is_new(self, one: str) -> bool:
        """Note an id; whether it was not among the last ones."""
        if one in self._ids:
            return False
        self._ids[one] = None
        if len(self._ids) > self._size:
            del self._ids[next(iter(self._ids))]
        return True
