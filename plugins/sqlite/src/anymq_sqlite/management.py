"""The operator's view of the file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import uuid4

from anymq.abc import DeadLetterEntry, GroupState, Management, TopicState
from anymq.abc.management import Resolution
from anymq.errors import Busy
from anymq.support.clock import Clock
from anymq_sqlite import administration, inspection
from anymq_sqlite.members import living
from anymq_sqlite.naming import Names
from anymq_sqlite.options import SqliteOptions
from anymq_sqlite.rows import CONTENT_COLUMNS, message_of
from anymq_sqlite.session import Session
from anymq_sqlite.store import Store
from anymq_sqlite.topology import find_group, remove_group

__all__ = ["SqliteManagement"]

T = TypeVar("T")


class SqliteManagement(Management):
    """Looks and tidies through the writer's thread."""

    def __init__(self, store: Store, names: Names, options: SqliteOptions, clock: Clock) -> None:
        self._store = store
        self._names = names
        self._options = options
        self._clock = clock
        self._holder = uuid4().hex

    async def topics(self) -> Sequence[TopicState]:
        return await self._read(lambda session: inspection.topics(session, self._names))

    async def groups(self, topic: str | None = None) -> Sequence[GroupState]:
        now = self._clock.time()
        return await self._read(lambda session: inspection.groups(session, topic, self._names, now))

    async def dead_letters(
        self, topic: str, group: str, *, limit: int, after: str | None = None
    ) -> Sequence[DeadLetterEntry]:
        strip = len(self._names.prefix)

        def work(session: Session) -> list[DeadLetterEntry]:
            gid = find_group(session, self._names.physical(topic), group, self._names)
            query = "SELECT num FROM dead WHERE gid = ? AND id = ?"
            begin = session.one(query, (gid, after)) if after is not None else None
            rows = session.execute(
                f"SELECT topic, {CONTENT_COLUMNS} FROM dead WHERE gid = ? AND num > ?"
                " ORDER BY num LIMIT ?",
                (gid, begin or 0, limit),
            ).fetchall()
            messages = [message_of(row[0][strip:], row[1], row) for row in rows]
            return [DeadLetterEntry(m.id, topic, group, m) for m in messages]

        return await self._read(work)

    async def resolve(
        self, topic: str, group: str, ids: Sequence[str], resolution: Resolution
    ) -> int:
        def work(session: Session) -> int:
            gid = find_group(session, self._names.physical(topic), group, self._names)
            administration.check_free(session, gid, self._holder, f"{topic!r}/{group!r}")
            return session.execute(
                "DELETE FROM dead WHERE gid = ? AND id IN (SELECT value FROM json_each(?))",
                (gid, json.dumps(list(ids))),
            ).rowcount

        return await self._write(work)

    @asynccontextmanager
    async def administer(self, topic: str, group: str, *, lease_s: float) -> AsyncIterator[None]:
        def enter(session: Session) -> int:
            gid = find_group(session, self._names.physical(topic), group, self._names)
            what = f"{topic!r}/{group!r}"
            administration.enter(session, gid, self._holder, what, lease_s=lease_s)
            return gid

        gid = await self._write(enter)
        try:
            yield
        finally:
            await self._write(lambda session: administration.let_go(session, gid, self._holder))

    async def purge(self, topic: str, group: str) -> int:
        def work(session: Session) -> int:
            gid = find_group(session, self._names.physical(topic), group, self._names)
            which = ("state = 0", "state = 2", "lock_key IS NOT NULL AND state = 3")
            queries = [f"DELETE FROM queue WHERE gid = ? AND {one}" for one in which]
            return sum(session.execute(query, (gid,)).rowcount for query in queries)

        return await self._write(work)

    async def remove_group(self, topic: str, group: str) -> None:
        def work(session: Session) -> None:
            gid = find_group(session, self._names.physical(topic), group, self._names)
            query = "SELECT member FROM membership WHERE gid = ?"
            members = {member for (member,) in session.execute(query, (gid,)).fetchall()}
            count = len(members & living(session))
            if count:
                raise Busy(f"group {group!r} of {topic!r} has {count} member(s)")
            remove_group(session, gid)

        await self._write(work)

    async def _read(self, work: Callable[[Session], T]) -> T:
        return await self._store.run(work, timeout_s=self._options.request_timeout_s, writes=False)

    async def _write(self, work: Callable[[Session], T]) -> T:
        return await self._store.run(work, timeout_s=self._options.request_timeout_s)
