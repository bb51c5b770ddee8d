"""The bare loops on SQLite: the module sqlite3, batches of 500, every commit on the disk.

The same fields, body and handler as ours; WAL with synchronous=FULL, one transaction per batch.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, time
from typing import Any
from uuid import uuid4

from benchmarks.body import BODY, dumps, loads

__all__ = ["claim_and_delete_loop", "database", "insert_loop"]

BATCH = 500
_SCHEMA = """CREATE TABLE queue (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, id TEXT NOT NULL,
  sent_at REAL NOT NULL,
  owner INTEGER, deliveries INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL)"""
_READY = "CREATE INDEX ready ON queue (topic, seq) WHERE owner IS NULL"
_INSERT = "INSERT INTO queue (topic, id, sent_at, body) VALUES (?, ?, ?, ?)"
_CLAIM = """UPDATE queue SET owner = 1, deliveries = deliveries + 1 WHERE seq IN
  (SELECT seq FROM queue WHERE topic = 'bench' AND owner IS NULL ORDER BY seq LIMIT ?)
  RETURNING seq, id, sent_at, body"""
_DELETE = "DELETE FROM queue WHERE seq = ? AND owner = 1"


async def insert_loop(messages: int) -> float:
    """Insert so many; messages per second."""
    with database(_SCHEMA, _READY) as connection:
        began = perf_counter()
        _insert(connection, messages)
        return messages / (perf_counter() - began)


async def claim_and_delete_loop(messages: int) -> float:
    """Claim, handle and delete so many that are there; messages per second."""
    handled = 0

    async def handle(body: dict[str, Any]) -> None:
        nonlocal handled
        handled += 1

    with database(_SCHEMA, _READY) as connection:
        _insert(connection, messages)
        began = perf_counter()
        while handled < messages:
            connection.execute("BEGIN IMMEDIATE")
            rows = connection.execute(_CLAIM, (BATCH,)).fetchall()
            connection.execute("COMMIT")
            for row in sorted(rows):
                await handle(loads(row[3]))
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_DELETE, [(row[0],) for row in rows])
            connection.execute("COMMIT")
        return messages / (perf_counter() - began)


def _insert(connection: sqlite3.Connection, messages: int) -> None:
    for begin in range(0, messages, BATCH):
        count = min(BATCH, messages - begin)
        rows = [("bench", uuid4().hex, time(), dumps(BODY).encode()) for _ in range(count)]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, rows)
        connection.execute("COMMIT")


@contextmanager
def database(*schema: str) -> Iterator[sqlite3.Connection]:
    """A new file with these tables, set up as ours is."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(f"{folder}/raw.db", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA wal_autocheckpoint = 4000",
            "PRAGMA secure_delete = FAST",
            *schema,
        ):
            connection.execute(statement)
        try:
            yield connection
        finally:
            connection.close()
