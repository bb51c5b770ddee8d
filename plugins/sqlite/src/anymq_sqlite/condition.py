"""The file's condition, from a real exchange: something is written."""

from __future__ import annotations

import os
import time

from anymq.abc import Health
from anymq.errors import AnyMQError, BufferFull
from anymq_sqlite.session import Session
from anymq_sqlite.store import Store

__all__ = ["look"]

LIMIT_S = 1.8
"""``health`` has two seconds in all."""

RESET_S = 60.0
"""So long health tells that the file was exchanged for another one."""


async def look(store: Store) -> Health:
    """Never raises."""
    try:
        facts = await store.run(_facts, timeout_s=LIMIT_S, is_durable=False)
        trouble, full = store.trouble, store.writer.full
    except BufferFull as error:
        return Health("degraded", str(error))
    except AnyMQError as error:
        return Health("down", _trouble(store) or str(error))
    if trouble is not None:
        return Health("down", trouble, facts)
    if _was_reset(store):
        return Health("degraded", f"data reset: {store.file} is another file now", facts)
    return Health("degraded", str(full), facts) if full else Health("up", store.file, facts)


def _was_reset(store: Store) -> bool:
    at = store.reset_at
    return at is not None and time.monotonic() - at < RESET_S


def _facts(session: Session) -> dict[str, str]:
    session.execute("UPDATE meta SET value = value WHERE name = 'schema'")
    size = session.one("PRAGMA page_size")
    return {
        "file_bytes": str(session.one("PRAGMA page_count") * size),
        "free_bytes": str(session.one("PRAGMA freelist_count") * size),
        "log_bytes": str(_size(f"{session.file}-wal")),
        "members": str(session.one("SELECT count(*) FROM members")),
    }


def _size(file: str) -> int:
    try:
        return os.path.getsize(file)
    except OSError:
        return 0


def _trouble(store: Store) -> str | None:
    try:
        return store.trouble
    except AnyMQError:
        return None
