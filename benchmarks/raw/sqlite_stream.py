"""The bare loops of a log on SQLite: the module sqlite3, batches of 500, every commit on the disk.

The same fields, body and handler as ours; WAL with synchronous=FULL, one transaction per batch.
"""

from __future__ import annotations

import sqlite3
from time import perf_counter, time
from typing import Any
from uuid import uuid4

from benchmarks.body import BODY, dumps, loads
from benchmarks.raw.sqlite import database

__all__ = ["append_loop", "read_loop"]

BATCH = 500
_SCHEMA = """CREATE TABLE log (
  position INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL, appended_at REAL NOT NULL,
  id TEXT NOT NULL, sent_at REAL NOT NULL, key TEXT, body BLOB NOT NULL)"""
_APPEND = (
    "INSERT INTO log (stream, appended_at, id, sent_at, key, body) VALUES (1, ?, ?, ?, NULL, ?)"
)
_READ = """SELECT position, appended_at, id, sent_at, key, body FROM log
  WHERE position > ? AND stream = 1 ORDER BY position LIMIT ?"""


async def append_loop(messages: int) -> float:
    """Append so many; records per second."""
    with database(_SCHEMA) as connection:
        began = perf_counter()
        _append(connection, messages)
        return messages / (perf_counter() - began)


async def read_loop(messages: int) -> float:
    """Read so many that are there from the first to the last, and handle each; per second."""
    handled = 0

    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled
        handled += 1

    with database(_SCHEMA) as connection:
        _append(connection, messages)
        position = 0
        began = perf_counter()
        while handled < messages:
            rows = connection.execute(_READ, (position, BATCH)).fetchall()
            for row in rows:
                await handle(loads(row[5]))
            position = rows[-1][0]
        return messages / (perf_counter() - began)


def _append(connection: sqlite3.Connection, messages: int) -> None:
    for begin in range(0, messages, BATCH):
        count = min(BATCH, messages - begin)
        rows = [(time(), uuid4().hex, time(), dumps(BODY).encode()) for _ in range(count)]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_APPEND, rows)
        connection.execute("COMMIT")
