"""SQLite's errors as AnyMQ's: one table, by the library's own codes."""

from __future__ import annotations

import sqlite3

from anymq.errors import (
    AccessDenied,
    AnyMQError,
    BackendUnavailable,
    BufferFull,
    ConfigError,
    MessageTooLarge,
    PublishRejected,
)
from anymq.outcome import Rejected, SendResult, Unknown

__all__ = [
    "FileRefused",
    "corrupt",
    "is_busy",
    "is_damage",
    "is_lost_sync",
    "refusal",
    "translate",
]

_PRIMARY = 0xFF
"""An extended code's lowest byte is the code that it extends."""


class FileRefused(ConfigError):
    """The file itself is not one that can be used: damaged, of something else, or too new."""


def translate(error: Exception, file: str) -> AnyMQError:
    """The error to raise in place of the library's; names the file and what to do."""
    if isinstance(error, AnyMQError):
        return error
    code = _code(error)
    text = str(error) or type(error).__name__
    if code == sqlite3.SQLITE_FULL:
        return BufferFull(f"{file}: {text}: free space on its disk, or consume what waits")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return AccessDenied(f"{file} cannot be written ({text}): give this user write access")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return corrupt(file, text)
    if code == sqlite3.SQLITE_TOOBIG:
        return PublishRejected("too_large", f"{file}: {text}")
    if is_busy(error):
        return BackendUnavailable(f"{file} is busy: another process has been writing for too long")
    return BackendUnavailable(f"{file}: {text}")


def corrupt(file: str, found: str, copy: str | None = None) -> FileRefused:
    """What to say of a file that is damaged, or no database; ``copy``: where one is kept."""
    kept = (
        f"a copy as it was found is {copy};" if copy else "nothing was changed; copy it aside, then"
    )
    return FileRefused(
        f"{file} is damaged or no database ({found}): {kept} restore it from a backup or by"
        " the sqlite3 shell's .recover, or name another file in url"
    )


def is_damage(error: Exception) -> bool:
    """Whether SQLite found its own file damaged (not: no database at all)."""
    return _code(error) == sqlite3.SQLITE_CORRUPT


def is_busy(error: Exception) -> bool:
    """Whether another connection holds the file, so that trying again helps."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_lost_sync(error: Exception) -> bool:
    """Whether the disk refused to make sure of data: what it has from then on is not known."""
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_FSYNC:
        return True
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_DIR_FSYNC


def refusal(error: AnyMQError) -> SendResult:
    """What a failed send means for each of its messages."""
    if isinstance(error, BufferFull | MessageTooLarge | PublishRejected):
        return Rejected(error.code, str(error))
    if isinstance(error, AccessDenied):
        return Rejected("denied", str(error))
    return Unknown(str(error))


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY
