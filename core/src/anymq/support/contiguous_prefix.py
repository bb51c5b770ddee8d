"""How far a log may be committed while its records are settled in any order."""

from __future__ import annotations

__all__ = ["ContiguousPrefix"]


class ContiguousPrefix:
    """What was handed out of one log partition, and what of it is settled.

    Counts the positions that it was shown: real logs have gaps (compaction, transaction markers),
    so "one more than the last" says nothing. Keeps one entry per unsettled position, however many
    are settled behind the first of them. Not thread-safe: it has one owner.
    """

    __slots__ = ("_next", "_open", "_reach")

    def __init__(self, position: int = 0) -> None:
        """``position``: the committed one, from which the log is read."""
        self._next = position
        self._reach = position
        self._open: dict[int, None] = {}  # ascending, because positions are seen ascending

    def __contains__(self, position: int) -> bool:
        """Whether a position was seen and is not settled."""
        return position in self._open

    @property
    def position(self) -> int:
        """The position to commit: everything before it is settled. Never falls."""
        return next(iter(self._open), self._next)

    @property
    def reach(self) -> int:
        """One past the highest settled position; never below where it began."""
        return self._reach

    @property
    def next(self) -> int:
        """One past the last position seen; where it began, before the first."""
        return self._next

    @property
    def unsettled(self) -> int:
        """How many positions were seen and are not settled."""
        return len(self._open)

    def see(self, position: int) -> bool:
        """Note a position that is handed out; False if it (or a later one) was seen before."""
        if position < self._next:
            return False
        self._open[position] = None
        self._next = position + 1
        return True

    def skip_to(self, position: int) -> None:
        """Count everything from the last position seen up to this one as settled."""
        self._next = max(self._next, position)
        self._reach = max(self._reach, position)

    def settle(self, position: int) -> bool:
        """Note that a position is done; False if it is not open (unknown, or settled before)."""
        if position not in self._open:
            return False
        del self._open[position]
        self._reach = max(self._reach, position + 1)
        return True

    def holes(self, reach: int | None = None) -> list[int]:
        """The unsettled positions before ``reach`` (default: ours), ascending.

        They are what holds ``position`` back.
        """
        limit = self._reach if reach is None else reach
        return [position for position in self._open if position < limit]
