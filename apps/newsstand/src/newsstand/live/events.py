"""What goes through a feed: notices with their places, and the events that watchers get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

__all__ = ["FeedEvent", "History", "Notice", "Page"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened, and where it stands."""

    position: str
    """A place in the stream: whoever has seen this goes on behind it."""
    id: str
    """The same each time it is told again."""
    data: str


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event for one watcher: ``hello``, ``gap``, ``lagged``, ``bye``, or what the feed is of.

    After ``lagged`` and ``bye`` nothing more comes.
    ``position`` is where to go on after this event; None leaves the watcher where it was.
    """

    name: str
    data: str = "{}"
    position: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what was told, in order."""

    notices: Sequence[Notice]
    position: str
    """Where the next page begins."""
    is_last: bool
    lost: int | None = 0
    """How many could not be told any more; None: nobody knows."""


History = Callable[[str], Awaitable[Page | None]]
"""What came behind a position; None when it cannot be had now."""
