"""One connection to the file: set up for durability, checked, and brought to our schema."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from anymq.errors import AccessDenied
from anymq_sqlite.aside import keep_copy
from anymq_sqlite.errors import corrupt, is_busy, is_damage
from anymq_sqlite.location import check_location
from anymq_sqlite.schema import VERSION, upgrade, version_of

__all__ = ["connect", "patiently", "read_only"]

T = TypeVar("T")

FIRST_PAUSE_S = 0.0003
LONGEST_PAUSE_S = 0.005
"""Between two tries while another process writes: a transaction takes about this long."""
CHECKED_BYTES = 64 * 1024 * 1024
"""Up to this size a file is checked whole at opening: about a quarter of a second."""
CHECKPOINT_PAGES = 4000
"""16 MB of log between two checkpoints: what was consumed meanwhile need not be written back."""
LOG_LIMIT_BYTES = 64 * 1024 * 1024


def connect(file: str, *, limit_s: float) -> sqlite3.Connection:
    """Open, check, and make or upgrade the schema. For the thread that will use it.

    Raises: AnyMQError for the place and the content, sqlite3.Error for the rest.
    """
    check_location(file)
    is_new = not os.path.exists(file) or os.path.getsize(file) == 0
    size = _size_at_rest(file)
    connection = sqlite3.connect(
        f"file:{_quoted(file)}?mode=rwc",
        uri=True,
        timeout=0,
        isolation_level=None,
        cached_statements=256,
    )
    is_done = False
    try:
        patiently(lambda: _prepare(connection, file, size, is_new=is_new), limit_s=limit_s)
        is_done = True
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise corrupt(file, str(error), keep_copy(file)) from error
        raise
    finally:
        if not is_done:
            connection.close()
    return connection


def read_only(file: str) -> sqlite3.Connection:
    """A connection that only looks, for tools and tests."""
    uri = f"file:{_quoted(file)}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None)


def patiently(work: Callable[[], T], *, limit_s: float) -> T:
    """Do something that fails while another process has the file, until it works or time is up."""
    until = time.monotonic() + limit_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > until:
                raise
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.3, LONGEST_PAUSE_S)


def _size_at_rest(file: str) -> int | None:
    """The file's size, if no process has it open; its last page is whole then."""
    if os.path.exists(f"{file}-wal") or not os.path.exists(file):
        return None
    size = os.path.getsize(file)
    return None if os.path.exists(f"{file}-wal") else size


def _prepare(connection: sqlite3.Connection, file: str, size: int | None, *, is_new: bool) -> None:
    run = connection.execute
    if is_new:
        run("PRAGMA auto_vacuum = INCREMENTAL")
    found = version_of(connection, file)
    (mode,) = run("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise AccessDenied(f"{file} cannot be put into WAL mode: give this user write access")
    run("PRAGMA synchronous = FULL")
    run("PRAGMA secure_delete = FAST")
    run(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    run(f"PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}")
    run("PRAGMA cache_size = -16000")
    if found:
        _check(connection, file, size)
    if found < VERSION:
        run("BEGIN IMMEDIATE")
        try:
            upgrade(connection, file)
            run("COMMIT")
        finally:
            if connection.in_transaction:
                run("ROLLBACK")


def _check(connection: sqlite3.Connection, file: str, size: int | None) -> None:
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if size is not None and size % page_bytes:
        raise corrupt(file, "it was cut within a page", keep_copy(file))
    if os.path.getsize(file) > CHECKED_BYTES:
        return
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise corrupt(file, found.replace("\n", " "), keep_copy(file))


def _quoted(file: str) -> str:
    return file.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
