"""DelayLadder: reaching any delay through a few stays of fixed length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["DelayLadder"]


class DelayLadder:
    """Fixed stays, such as queues with a time to live or topics read after a while.

    A message takes the longest stay that is not longer than what remains, again and again; less
    than the shortest stay remains at the end, and whoever moves messages waits that out.
    """

    def __init__(self, stays_s: Sequence[int]) -> None:
        """Take the lengths of the stays, in seconds. Raises ValueError for none, or one below 1."""
        if not stays_s or min(stays_s) < 1:
            raise ValueError(f"a ladder needs stays of at least 1 s, not {list(stays_s)}")
        self.stays_s = tuple(sorted(stays_s))

    def next_stay_s(self, rest_s: float) -> int | None:
        """The stay to take while ``rest_s`` seconds remain; None when only waiting is left."""
        fitting = [stay for stay in self.stays_s if stay <= rest_s]
        return fitting[-1] if fitting else None

    def stays(self, delay_s: float) -> Iterator[int]:
        """All stays of a delay, in order."""
        rest = delay_s
        while (stay := self.next_stay_s(rest)) is not None:
            yield stay
            rest -= stay
