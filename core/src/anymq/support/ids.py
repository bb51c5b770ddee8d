"""Message ids: UUID version 7, so that ids sort by the time they were made."""

from __future__ import annotations

from uuid_utils import uuid7

__all__ = ["new_id"]


def new_id() -> str:
    """A new UUIDv7 (RFC 9562) in its usual form of 36 characters."""
    return str(uuid7())
