"""Jobs and ticks in the file: work for the writer's thread."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from anymq.abc import JobRecord
from anymq.abc.job_store import TERMINAL_STATES
from anymq_sqlite.session import Session, placeholders

__all__ = ["JOBS", "changed_since", "claim", "create", "get", "make_tables", "replace", "versions"]

JOBS = 0
"""What a change of any job touches; groups have ids above it, streams below."""
PRUNED = 1000
"""Most expired records removed at once."""

_TABLES = (
    """CREATE TABLE IF NOT EXISTS jobs (
      id TEXT PRIMARY KEY, state TEXT NOT NULL, version INTEGER NOT NULL, result BLOB, error BLOB,
      progress BLOB, expires_at REAL) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS jobs_expiry ON jobs (expires_at) WHERE expires_at IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS schedule_ticks (
      schedule TEXT, tick TEXT, expires_at REAL NOT NULL, PRIMARY KEY (schedule, tick)
    ) WITHOUT ROWID""",
)
_COLUMNS = "id, state, version, result, error, progress, expires_at"
_TERMINAL = ", ".join(f"'{state}'" for state in sorted(TERMINAL_STATES))


def make_tables(session: Session) -> None:
    """Make the tables where they are missing."""
    for statement in _TABLES:
        session.execute(statement)


def create(session: Session, rows: Sequence[tuple[Any, ...]], now: float) -> list[bool]:
    """Store new jobs; per row whether it is new. Removes what has expired."""
    session.execute(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE expires_at <= ? LIMIT ?)",
        (now, PRUNED),
    )
    created = []
    for row in rows:
        session.execute("DELETE FROM jobs WHERE id = ? AND expires_at <= ?", (row[0], now))
        cursor = session.execute(
            f"INSERT OR IGNORE INTO jobs ({_COLUMNS}) VALUES ({placeholders(len(row))})",
            row,
        )
        created.append(cursor.rowcount == 1)
    if any(created):
        session.touched.add(JOBS)
    return created


def get(session: Session, ids: Sequence[str], now: float) -> dict[str, JobRecord]:
    """The records that are there, by id."""
    rows = session.execute(
        f"SELECT {_COLUMNS} FROM jobs WHERE id IN (SELECT value FROM json_each(?))"
        " AND (expires_at IS NULL OR expires_at > ?)",
        (json.dumps(ids), now),
    )
    return {row[0]: JobRecord(*row) for row in rows}


def replace(session: Session, row: tuple[Any, ...], expected_version: int, now: float) -> bool:
    """Compare and set; a terminal state stays."""
    job_id, *values = row
    cursor = session.execute(
        "UPDATE jobs SET state = ?, version = ?, result = ?, error = ?, progress = ?,"
        f" expires_at = ? WHERE id = ? AND version = ? AND state NOT IN ({_TERMINAL})"
        " AND (expires_at IS NULL OR expires_at > ?)",
        (*values, job_id, expected_version, now),
    )
    if cursor.rowcount == 1:
        session.touched.add(JOBS)
    return cursor.rowcount == 1


def claim(session: Session, schedule: str, tick: str, until: float, now: float) -> bool:
    """True for the first who asks. Removes what has expired."""
    session.execute("DELETE FROM schedule_ticks WHERE expires_at <= ?", (now,))
    cursor = session.execute(
        "INSERT OR IGNORE INTO schedule_ticks VALUES (?, ?, ?)", (schedule, tick, until)
    )
    return cursor.rowcount == 1


def versions(session: Session, ids: Iterable[str]) -> dict[str, int]:
    """The versions of those that are there."""
    query = "SELECT id, version FROM jobs WHERE id IN (SELECT value FROM json_each(?))"
    return dict(session.execute(query, (json.dumps(list(ids)),)).fetchall())


def changed_since(session: Session, before: dict[str, int], ids: Sequence[str]) -> list[str]:
    """Those whose version is another one than before."""
    now = versions(session, ids)
    return [job_id for job_id in ids if now.get(job_id) != before.get(job_id)]
