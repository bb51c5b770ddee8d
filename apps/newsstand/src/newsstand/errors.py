"""What can go wrong in the newsstand's own work.

NewsstandError
├── Conflict             something of that identity is there already
├── MissingReference     it points at something that is not there
├── StorageUnavailable   the database is busy or cannot be reached: try again
├── SchemaError          the database is not at the version this program needs
└── FeedFull             too many watch already
"""

from __future__ import annotations

__all__ = [
    "Conflict",
    "FeedFull",
    "MissingReference",
    "NewsstandError",
    "SchemaError",
    "StorageUnavailable",
]


class NewsstandError(Exception):
    """Root of the newsstand's errors; the text is for people and holds no secret."""


class Conflict(NewsstandError):
    """Something of that identity is there already."""

    def __init__(self, kind: str, id: int | None = None) -> None:  # noqa: A002 - the column
        super().__init__(f"{kind} {id} exists already" if id else f"such a {kind} exists already")


class MissingReference(NewsstandError):
    """It points at something that is not there."""

    def __init__(self, kind: str, id: int | None = None) -> None:  # noqa: A002 - the column
        super().__init__(
            f"there is no {kind} {id}" if id else f"a {kind} that it names does not exist"
        )


class StorageUnavailable(NewsstandError):
    """The database is busy or cannot be reached; nothing was changed, try again."""


class SchemaError(NewsstandError):
    """The database is not at the version this program needs."""


class FeedFull(NewsstandError):
    """As many as may watch at once do."""
