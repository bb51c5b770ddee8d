"""What the file holds. Version after version, so that every new file takes the upgrade's way."""

from __future__ import annotations

import secrets
import sqlite3

from anymq_sqlite.errors import FileRefused
from anymq_sqlite.positions import FIRST_STREAMS

__all__ = ["APPLICATION_ID", "STEPS", "VERSION", "upgrade", "version_of"]

APPLICATION_ID = 0x416E794D
"""``AnyM``: tells our files from those of others."""
_FIRST_IDS = dict.fromkeys(("queue", "groups", "members"), 1 << 46) | {"streams": FIRST_STREAMS}
"""Ids begin anywhere below: far apart in two files, and still small in the file."""

_CONTENT = """
  id TEXT, timestamp REAL, content_type TEXT, key TEXT, partition INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 1, priority INTEGER NOT NULL DEFAULT 1, expires_at REAL,
  extra TEXT, body BLOB NOT NULL
"""

_FIRST = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('schema', 1), ('topology', 1)",
    "CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL) WITHOUT ROWID",
    # A group of one topic (or pattern); anonymous ones have no name and hear several.
    """CREATE TABLE groups (
      id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, name TEXT,
      by_key INTEGER NOT NULL DEFAULT 0, idle_since REAL)""",
    "CREATE UNIQUE INDEX group_names ON groups (topic, name) WHERE name IS NOT NULL",
    # What a group was declared on, and the topics that this means at present.
    "CREATE TABLE sources (gid INTEGER, pattern TEXT, PRIMARY KEY (gid, pattern)) WITHOUT ROWID",
    "CREATE TABLE routes (topic TEXT, gid INTEGER, PRIMARY KEY (topic, gid)) WITHOUT ROWID",
    # One row per subscription: the sign of life of its process, by the machine's own clock.
    """CREATE TABLE members (
      id INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL, boot TEXT NOT NULL,
      space TEXT NOT NULL, pid INTEGER NOT NULL, started INTEGER NOT NULL,
      beat_at REAL NOT NULL, lease_s REAL NOT NULL)""",
    """CREATE TABLE membership (
      member INTEGER, gid INTEGER, PRIMARY KEY (member, gid)) WITHOUT ROWID""",
    # One row per (group, message). state: 0 ready, 1 in flight, 2 delayed, 3 behind its key.
    f"""CREATE TABLE queue (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, gid INTEGER NOT NULL,
      state INTEGER NOT NULL DEFAULT 0, topic TEXT NOT NULL, lock_key TEXT, due_at REAL,
      owner INTEGER, deliveries INTEGER NOT NULL DEFAULT 0,
      redelivered INTEGER NOT NULL DEFAULT 0, {_CONTENT})""",
    # Partial, so that a claim costs the same whatever waits, is delayed or in flight.
    "CREATE INDEX queue_ready ON queue (gid, priority, seq) WHERE state = 0",
    "CREATE INDEX queue_held ON queue (owner) WHERE state = 1",
    "CREATE INDEX queue_due ON queue (gid, due_at) WHERE state = 2",
    "CREATE INDEX queue_keys ON queue (gid, lock_key, seq) WHERE lock_key IS NOT NULL",
    "CREATE INDEX queue_expiry ON queue (expires_at) WHERE expires_at IS NOT NULL",
    f"""CREATE TABLE dead (
      num INTEGER PRIMARY KEY AUTOINCREMENT, gid INTEGER NOT NULL,
      topic TEXT NOT NULL, {_CONTENT})""",
    "CREATE UNIQUE INDEX dead_ids ON dead (gid, id)",
    """CREATE TABLE admins (
      gid INTEGER PRIMARY KEY, holder TEXT NOT NULL, boot TEXT NOT NULL, space TEXT NOT NULL,
      pid INTEGER NOT NULL, started INTEGER NOT NULL, since REAL NOT NULL,
      lease_s REAL NOT NULL)""",
    """CREATE TABLE streams (
      id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
      partitions INTEGER NOT NULL, max_records INTEGER, max_bytes INTEGER, max_age_s REAL,
      first INTEGER NOT NULL DEFAULT 1, next INTEGER NOT NULL DEFAULT 1,
      last_at REAL NOT NULL DEFAULT 0,
      bytes INTEGER NOT NULL DEFAULT 0)""",
    # rid = stream id * 2**40 + position: one stream's records lie together, without an index.
    f"CREATE TABLE log (rid INTEGER PRIMARY KEY, appended_at REAL NOT NULL, {_CONTENT})",
    """CREATE TABLE committed (
      stream INTEGER, name TEXT, position INTEGER NOT NULL, PRIMARY KEY (stream, name)
    ) WITHOUT ROWID""",
)

_SECOND = (
    # For the sqlite3 shell: INSERT INTO publish (topic, body) VALUES ('orders', '{"id": 1}');
    "CREATE VIEW publish AS SELECT topic, key, body FROM queue WHERE 0",
    """CREATE TRIGGER publish_to_groups INSTEAD OF INSERT ON publish BEGIN
      SELECT RAISE(ABORT, 'no such topic')
        WHERE NOT EXISTS (SELECT 1 FROM topics WHERE name = NEW.topic);
      INSERT INTO queue (gid, topic, timestamp, key, lock_key, state, body)
        SELECT g.id, NEW.topic, (julianday('now') - 2440587.5) * 86400.0, NEW.key,
               iif(g.by_key, NEW.key, NULL),
               iif(g.by_key AND EXISTS (SELECT 1 FROM queue AS q
                   WHERE q.gid = g.id AND q.lock_key = NEW.key AND q.state IN (0, 1, 3)), 3, 0),
               CAST(NEW.body AS BLOB)
        FROM routes AS r JOIN groups AS g ON g.id = r.gid WHERE r.topic = NEW.topic;
    END""",
)

_THIRD = ("ALTER TABLE topics ADD COLUMN retention_s REAL",)

STEPS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD)
"""What leads from each version to the next; the first step makes a new file."""
VERSION = len(STEPS)


def version_of(connection: sqlite3.Connection, file: str) -> int:
    """The schema's version; 0 for an empty file. Raises FileRefused for a file of others."""
    # In this order: another process may make the schema, all at once, between the two.
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if tables == 0 and application in (0, APPLICATION_ID):
        return 0
    if application != APPLICATION_ID:
        raise FileRefused(
            f"{file} is the database of something else: name a file of its own in url"
        )
    (version,) = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    if version > VERSION:
        raise FileRefused(
            f"{file} was written by a newer anymq-sqlite (schema {version}, this one knows"
            f" {VERSION}): upgrade anymq-sqlite, or name another file in url"
        )
    return int(version)


def upgrade(connection: sqlite3.Connection, file: str, *, to: int = VERSION) -> None:
    """Bring the schema to a version, in the transaction that the caller began."""
    found = version_of(connection, file)
    for version in range(found, to):
        for statement in STEPS[version]:
            connection.execute(statement)
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (version + 1,))
    if found == 0:
        # So that no id of a file whose place this one took means anything here.
        for table, below in _FIRST_IDS.items():
            first = secrets.randbelow(below)
            connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, first))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
