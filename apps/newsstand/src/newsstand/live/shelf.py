"""The shelf: the latest notices, kept in memory for those who were away for a moment."""

from __future__ import annotations

from collections.abc import Sequence

from newsstand.live.events import Notice

__all__ = ["Shelf"]


class Shelf:
    """The last ``size`` notices in their order, each id once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[str, Notice] = {}  # by id, oldest first
        self._start: str | None = None

    @property
    def position(self) -> str | None:
        """Behind which nothing has come yet; None as long as nobody knows."""
        return next(reversed(self._kept.values())).position if self._kept else self._start

    def begin(self, position: str) -> None:
        """Everything behind ``position`` will be put here."""
        if not self._kept:
            self._start = position

    def put(self, notice: Notice) -> bool:
        """Keep it. False: it was told before."""
        if notice.id in self._kept:
            return False
        self._kept[notice.id] = notice
        if len(self._kept) > self._size:
            gone = self._kept.pop(next(iter(self._kept)))
            self._start = gone.position
        return True

    def behind(self, position: str) -> Sequence[Notice] | None:
        """What came behind it; None if that is not all here."""
        kept = list(self._kept.values())
        if position == self._start:
            return kept
        for index in range(len(kept) - 1, -1, -1):
            if kept[index].position == position:
                return kept[index + 1 :]
        return None

    def is_first(self, notice: Notice) -> bool:
        """Whether this is where its id was told first, as far as is remembered."""
        kept = self._kept.get(notice.id)
        return kept is None or kept.position == notice.position
