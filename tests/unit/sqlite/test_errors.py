"""SQLite's errors become AnyMQ's, each with the file's name and what to do."""

from __future__ import annotations

import sqlite3

import pytest

from anymq.errors import AccessDenied, BackendUnavailable, BufferFull, PublishRejected
from anymq.outcome import Rejected, Unknown
from anymq_sqlite.errors import FileRefused, is_busy, is_lost_sync, refusal, translate


def _error(code: int, text: str = "as SQLite puts it") -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_FULL, BufferFull, "free space"),
        (sqlite3.SQLITE_READONLY, AccessDenied, "write access"),
        (sqlite3.SQLITE_READONLY_DBMOVED, AccessDenied, "write access"),
        (sqlite3.SQLITE_PERM, AccessDenied, "write access"),
        (sqlite3.SQLITE_CORRUPT, FileRefused, ".recover"),
        (sqlite3.SQLITE_CORRUPT_INDEX, FileRefused, ".recover"),
        (sqlite3.SQLITE_NOTADB, FileRefused, "name another file"),
        (sqlite3.SQLITE_TOOBIG, PublishRejected, "as SQLite puts it"),
        (sqlite3.SQLITE_BUSY, BackendUnavailable, "is busy"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, BackendUnavailable, "is busy"),
        (sqlite3.SQLITE_IOERR_READ, BackendUnavailable, "as SQLite puts it"),
    ],
)
def test_each_error_says_what_to_do(code: int, kind: type[Exception], words: str) -> None:
    """By the code; extended codes as what they extend."""
    found = translate(_error(code), "/data/x.db")

    assert type(found) is kind
    assert "/data/x.db" in str(found)
    assert words in str(found)


def test_a_lock_is_never_shown() -> None:
    """SQLite's own words for it stay inside."""
    for code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY, sqlite3.SQLITE_LOCKED):
        error = _error(code, "database is locked")
        assert is_busy(error)
        assert "database is locked" not in str(translate(error, "/data/x.db"))


def test_our_own_errors_stay_as_they_are() -> None:
    """And what is no error of SQLite's is told by its text, or its type."""
    ours = AccessDenied("no")

    assert translate(ours, "x.db") is ours
    assert str(translate(OSError("gone"), "x.db")) == "x.db: gone"
    assert str(translate(ValueError(), "x.db")) == "x.db: ValueError"


def test_what_a_failed_send_means() -> None:
    """Rejected where it is certain that nothing is there; else unknown."""
    results = [
        refusal(BufferFull("full")),
        refusal(PublishRejected("too_large", "large")),
        refusal(AccessDenied("no")),
        refusal(BackendUnavailable("away")),
    ]

    assert results == [
        Rejected("full", "full"),
        Rejected("too_large", "large"),
        Rejected("denied", "no"),
        Unknown("away"),
    ]


def test_a_failed_sync_is_told_apart() -> None:
    """Of the file or its folder, from other failures of the disk."""
    assert is_lost_sync(_error(sqlite3.SQLITE_IOERR_FSYNC))
    assert is_lost_sync(_error(sqlite3.SQLITE_IOERR_DIR_FSYNC))
    assert not is_lost_sync(_error(sqlite3.SQLITE_IOERR_READ))
