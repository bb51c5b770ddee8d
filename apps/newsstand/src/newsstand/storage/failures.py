"""What a database driver raises, as the newsstand's own errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from newsstand.errors import Conflict, MissingReference, StorageUnavailable

__all__ = ["translated"]

_UNIQUE = frozenset({"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"})
_FOREIGN = "SQLITE_CONSTRAINT_FOREIGNKEY"
# Another process writes, or the file cannot be used: nothing was changed, later it may work.
_TRANSIENT = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR")


@contextmanager
def translated() -> Iterator[None]:
    """Raise Conflict, MissingReference or StorageUnavailable for what the driver raises inside."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname in _UNIQUE:
            raise Conflict("row") from error
        if error.sqlite_errorname == _FOREIGN:
            raise MissingReference("row") from error
        raise
    except sqlite3.OperationalError as error:
        if str(error.sqlite_errorname).startswith(_TRANSIENT):
            raise StorageUnavailable("the database is busy or cannot be reached") from error
        raise
