"""The JobStore in the file that holds the messages: one writer, so changes of both are ordered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from typing import Any, TypeVar

from anymq.abc import BackendContext, JobRecord, JobStore
from anymq.abc.job_store import TERMINAL_STATES
from anymq.errors import AnyMQError, ClosedError
from anymq_sqlite import job_rows
from anymq_sqlite.options import SqliteOptions
from anymq_sqlite.request import Request
from anymq_sqlite.session import Session
from anymq_sqlite.store import Store

__all__ = ["SqliteJobStore"]

T = TypeVar("T")


class SqliteJobStore(JobStore):
    """Jobs are rows; changes made by other processes are noticed as quickly as messages are."""

    def __init__(self, options: SqliteOptions, context: BackendContext) -> None:
        self._options = options
        self._clock = context.clock
        self._physical = context.physical
        self._prefix = len(context.physical(""))
        self._store = Store(options, on_exchange=job_rows.make_tables)
        self._is_closed = False

    async def open(self) -> None:
        await self._store.open(lambda event: None)
        is_open = False
        try:
            await self._run(job_rows.make_tables)
            is_open = True
        finally:
            if not is_open:
                await self._store.aclose(timeout_s=1.0)

    async def create(self, records: Sequence[JobRecord]) -> Sequence[bool]:
        if not records:
            return []
        rows, now = [self._row(record) for record in records], self._clock.time()
        return await self._run(lambda session: job_rows.create(session, rows, now))

    async def get(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        if not ids:
            return []
        keys, now = self._keys(ids), self._clock.time()
        found = await self._run(lambda session: job_rows.get(session, keys, now), writes=False)
        return [self._named(found.get(key)) for key in keys]

    async def replace(self, record: JobRecord, *, expected_version: int) -> bool:
        row, now = self._row(record), self._clock.time()
        # That a job began may be forgotten when power fails: it begins again then, as its message.
        return await self._run(
            lambda session: job_rows.replace(session, row, expected_version, now),
            is_durable=record.state in TERMINAL_STATES,
        )

    async def claim_tick(self, schedule: str, tick: str, *, ttl_s: float) -> bool:
        name, now = self._physical(schedule), self._clock.time()
        until = now + ttl_s
        return await self._run(lambda session: job_rows.claim(session, name, tick, until, now))

    async def changed(self, ids: Sequence[str], *, wait_s: float) -> Sequence[str]:
        keys = self._keys(ids)
        before = await self._run(lambda session: job_rows.versions(session, keys), writes=False)
        future: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

        def look(session: Session) -> tuple[bool, float | None]:
            found = job_rows.changed_since(session, before, keys)
            if found:
                self._store.call(_resolve, future, found, None)
            return False, None

        request = Request[None](
            lambda session: None,
            on_done=lambda _value, failure: self._store.call(_resolve, future, [], failure),
            waits=True,
            keys=frozenset((job_rows.JOBS,)),
            may_have=look,
        )
        timer = self._clock.call_later(wait_s, lambda: _resolve(future, [], None))
        try:
            self._store.submit(request)
            return [key[self._prefix :] for key in await future]
        finally:
            timer.cancel()
            request.is_cancelled = True

    async def aclose(self, *, timeout_s: float) -> None:
        self._is_closed = True
        await self._store.aclose(timeout_s=timeout_s)

    def let_go(self) -> None:
        """Vanish as a killed process does."""
        self._is_closed = True
        self._store.let_go()

    async def _run(
        self, work: Callable[[Session], T], *, writes: bool = True, is_durable: bool = True
    ) -> T:
        if self._is_closed:
            raise ClosedError("this job store is closed")
        timeout_s = self._options.request_timeout_s
        return await self._store.run(
            work, timeout_s=timeout_s, writes=writes, is_durable=is_durable
        )

    def _keys(self, ids: Sequence[str]) -> list[str]:
        return [self._physical(job_id) for job_id in ids]

    def _row(self, record: JobRecord) -> tuple[Any, ...]:
        return astuple(replace(record, id=self._physical(record.id)))

    def _named(self, record: JobRecord | None) -> JobRecord | None:
        if record is None or not self._prefix:
            return record
        return replace(record, id=record.id[self._prefix :])


def _resolve(
    future: asyncio.Future[list[str]], found: list[str], failure: AnyMQError | None
) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(found)
    else:
        future.set_exception(failure)
