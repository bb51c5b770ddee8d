"""What can go wrong, as one exception that carries its own explanation."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ServiceError", "UsageError"]


class ServiceError(Exception):
    """A server could not be had, started, broken or stopped.

    `summary` is one line; `details` are the last lines of whatever was tried, oldest first, and
    may be empty.
    """

    def __init__(self, summary: str, *, details: Sequence[str] = ()) -> None:
        self.summary = summary
        self.details = tuple(details)
        super().__init__(summary)


class UsageError(ServiceError):
    """The command line asks for something that does not exist."""
