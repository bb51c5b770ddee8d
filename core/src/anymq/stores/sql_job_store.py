"""The JobStore on PostgreSQL and SQLite, through SQLAlchemy's asyncio engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from anymq.abc import BackendContext, JobRecord, JobStore
from anymq.abc.job_store import TERMINAL_STATES
from anymq.errors import ClosedError
from anymq.stores.errors import translate
from anymq.stores.tables import make_tables

__all__ = ["SqlJobStore"]

PRUNE_EVERY = 500
"""Calls of ``create`` between two looks for what has expired."""


class SqlJobStore(JobStore):
    """Rows in a table of its own. Changes made by others are looked for every ``poll_s``."""

    def __init__(
        self,
        url: URL | str,
        context: BackendContext,
        *,
        prefix: str = "anymq_",
        pool_size: int = 10,
        poll_s: float = 0.1,
        timeout_s: float = 10.0,
    ) -> None:
        self._engine: AsyncEngine = create_async_engine(url, pool_size=pool_size, max_overflow=0)
        self._is_postgres = self._engine.dialect.name == "postgresql"
        self._where = self._engine.url.render_as_string(hide_password=True)
        self._tables = make_tables(prefix)
        self._physical = context.physical
        self._prefix = len(context.physical(""))
        self._clock = context.clock
        self._poll_s = poll_s
        self._timeout_s = timeout_s
        self._calls = 0
        self._is_closed = False

    async def open(self) -> None:
        is_open = False
        try:
            async with self._begin() as connection:
                await connection.run_sync(self._tables.metadata.create_all)
            is_open = True
        finally:
            if not is_open:
                await self._engine.dispose()

    async def create(self, records: Sequence[JobRecord]) -> Sequence[bool]:
        if not records:
            return []
        jobs, now = self._tables.jobs, self._clock.time()
        rows: dict[str, dict[str, Any]] = {}
        for record in records:  # of several with one id the first counts
            rows.setdefault(record.id, self._row(record))
        keys = [row["id"] for row in rows.values()]
        insert: Any = postgresql.insert if self._is_postgres else sqlite.insert
        statement = insert(jobs).values(list(rows.values())).on_conflict_do_nothing()
        expired = delete(jobs).where(jobs.c.id.in_(keys), jobs.c.expires_at <= now)
        self._calls += 1
        if self._calls % PRUNE_EVERY == 1:
            expired = delete(jobs).where(jobs.c.expires_at <= now)
        async with self._begin() as connection:
            await connection.execute(expired)
            found = await connection.execute(statement.returning(jobs.c.id))
            new = {row[0] for row in found}
        answers = []
        for record in records:
            key = self._physical(record.id)
            answers.append(key in new)
            new.discard(key)
        return answers

    async def get(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        jobs, now = self._tables.jobs, self._clock.time()
        keys = [self._physical(job_id) for job_id in ids]
        is_kept = or_(jobs.c.expires_at.is_(None), jobs.c.expires_at > now)
        async with self._begin() as connection:
            rows = await connection.execute(select(jobs).where(jobs.c.id.in_(keys), is_kept))
            found = {row.id: self._record(row) for row in rows}
        return [found.get(key) for key in keys]

    async def replace(self, record: JobRecord, *, expected_version: int) -> bool:
        jobs, now = self._tables.jobs, self._clock.time()
        statement = (
            update(jobs)
            .where(jobs.c.id == self._physical(record.id), jobs.c.version == expected_version)
            .where(jobs.c.state.not_in(TERMINAL_STATES))
            .where(or_(jobs.c.expires_at.is_(None), jobs.c.expires_at > now))
            .values(self._row(record))
        )
        async with self._begin() as connection:
            changed = await connection.execute(statement)
            return bool(changed.rowcount == 1)

    async def claim_tick(self, schedule: str, tick: str, *, ttl_s: float) -> bool:
        ticks, now = self._tables.ticks, self._clock.time()
        insert: Any = postgresql.insert if self._is_postgres else sqlite.insert
        row = {"schedule": self._physical(schedule), "tick": tick, "expires_at": now + ttl_s}
        statement = insert(ticks).values(row).on_conflict_do_nothing().returning(ticks.c.tick)
        async with self._begin() as connection:
            await connection.execute(delete(ticks).where(ticks.c.expires_at <= now))
            return (await connection.execute(statement)).first() is not None

    async def changed(self, ids: Sequence[str], *, wait_s: float) -> Sequence[str]:
        before, until = await self._versions(ids), self._clock.monotonic() + wait_s
        while True:
            rest_s = until - self._clock.monotonic()
            if rest_s <= 0:
                return []
            await self._clock.sleep(min(self._poll_s, rest_s))
            now = await self._versions(ids)
            found = [i for i in ids if now.get(i) != before.get(i)]
            if found:
                return found

    async def aclose(self, *, timeout_s: float) -> None:
        self._is_closed = True
        async with asyncio.timeout(timeout_s):
            await self._engine.dispose()

    async def _versions(self, ids: Sequence[str]) -> dict[str, int]:
        jobs = self._tables.jobs
        keys = [self._physical(job_id) for job_id in ids]
        query = select(jobs.c.id, jobs.c.version).where(jobs.c.id.in_(keys))
        async with self._begin() as connection:
            rows = await connection.execute(query)
            return {row.id[self._prefix :]: row.version for row in rows}

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, within the time limit. Raises BackendUnavailable, AccessDenied …"""
        if self._is_closed:
            raise ClosedError("this job store is closed")
        try:
            async with asyncio.timeout(self._timeout_s), self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
            raise translate(error, self._where) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "asyncpg":
                raise
            raise translate(error, self._where) from error

    def _row(self, record: JobRecord) -> dict[str, Any]:
        return {**asdict(record), "id": self._physical(record.id)}

    def _record(self, row: Any) -> JobRecord:
        found = JobRecord(*row)
        return replace(found, id=found.id[self._prefix :]) if self._prefix else found
