"""Where a reader begins, as applications say it."""

from __future__ import annotations

from datetime import datetime

from anymq.abc.stream import EARLIEST, LATEST, After, At
from anymq.errors import ConfigError

__all__ = ["EARLIEST", "LATEST", "after", "at"]


def after(position: str) -> After:
    """From the record behind ``position``, which a record or ``StreamHandle.end`` gave."""
    return After(position)


def at(moment: datetime | float) -> At:
    """From the first record appended at ``moment`` or later.

    ``moment`` is a datetime with a time zone, or seconds since the epoch. Raises ConfigError for a
    datetime without a time zone, which means another moment on every machine.
    """
    if not isinstance(moment, datetime):
        return At(float(moment))
    if moment.tzinfo is None:
        raise ConfigError(f"at({moment!r}): give the datetime a time zone, as in datetime.now(UTC)")
    return At(moment.timestamp())
