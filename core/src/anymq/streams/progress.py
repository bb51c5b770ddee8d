"""Progress: how far a group has come in one partition, whatever order its records are done in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Item", "Progress"]


@dataclass(slots=True, eq=False)
class Item:
    """One record that was read and is not yet behind the position to store."""

    position: str
    is_done: bool = False
    since: float | None = None
    """When it was handed out; None: it still waits for that."""


class Progress:
    """One partition, from its takeover until it is given up or lost.

    The position to store never passes a record that is not done.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.is_open = True
        """Whether further records may be handed out."""
        self.to_store: str | None = None
        """The position behind which everything is still to be read again; None: nothing new."""
        self._items: deque[Item] = deque()
        self._by_position: dict[str, Item] = {}

    def read(self, position: str) -> Item:
        """Note a record that was read."""
        item = Item(position)
        self._items.append(item)
        self._by_position[position] = item
        return item

    def passed(self, position: str) -> None:
        """Note that the reader is here, and that nothing else of this partition is before it."""
        if not self._items:
            self.to_store = position
        elif self._items[-1].is_done and self._items[-1].position not in self._by_position:
            self._items[-1].position = position
        else:
            self._items.append(Item(position, is_done=True))

    def done(self, position: str) -> bool:
        """Note that a record is done; False for one that is unknown or was done before."""
        item = self._by_position.get(position)
        if item is None or item.is_done:
            return False
        item.is_done = True
        while self._items and self._items[0].is_done:
            self.to_store = self._items.popleft().position
            self._by_position.pop(self.to_store, None)
        return True

    @property
    def in_hand(self) -> int:
        """How many records were handed out and are not done."""
        return sum(1 for item in self._items if item.since is not None and not item.is_done)

    def oldest(self) -> Item | None:
        """The record that was handed out first of those that are not done."""
        return next(
            (item for item in self._items if item.since is not None and not item.is_done), None
        )

    def stored(self, position: str) -> None:
        """Note that a position was stored."""
        if self.to_store == position:
            self.to_store = None
