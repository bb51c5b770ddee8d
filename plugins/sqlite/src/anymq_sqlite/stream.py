"""The Stream on one SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from anymq.abc import BackendContext, EventSink, Health, Start, Stream, StreamReader, StreamSpec
from anymq.abc.stream import After
from anymq.capabilities import Capabilities
from anymq.errors import AnyMQError, ClosedError
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import TopologyMode
from anymq_sqlite import log
from anymq_sqlite.capabilities import capabilities_of
from anymq_sqlite.condition import look
from anymq_sqlite.errors import refusal
from anymq_sqlite.naming import Names
from anymq_sqlite.options import SqliteOptions
from anymq_sqlite.positions import number_in, spell
from anymq_sqlite.session import Session
from anymq_sqlite.store import Store
from anymq_sqlite.stream_reader import SqliteReader

__all__ = ["SqliteStream"]

T = TypeVar("T")


class SqliteStream(Stream):
    """Logs in a table of the file; a position is a number of its stream."""

    def __init__(self, options: SqliteOptions, context: BackendContext) -> None:
        self._options = options
        self._clock = context.clock
        self._store = Store(options, on_exchange=self._declare_again)
        self._declared: dict[str, StreamSpec] = {}
        self._names = Names(context, options.file)
        self._readers: list[SqliteReader] = []
        self._closed = False

    async def open(self, events: EventSink) -> Capabilities:
        await self._store.open(events)
        return capabilities_of(self._options)

    async def health(self) -> Health:
        if self._closed:
            return Health("down", "closed")
        return await look(self._store)

    async def declare(
        self, streams: Sequence[StreamSpec], *, mode: TopologyMode, timeout_s: float
    ) -> None:
        self._check_open()
        await self._store.run(
            lambda session: log.declare_streams(session, streams, mode, self._names),
            timeout_s=timeout_s,
        )
        if mode is TopologyMode.MANAGE:
            self._declared |= {spec.name: spec for spec in streams}

    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Sequence[SendResult]:
        self._check_open()
        if not records:
            return []
        now = self._clock.time()
        try:
            return await self._store.run(
                lambda session: log.append(session, records, now, self._names),
                timeout_s=timeout_s,
            )
        except ClosedError:
            raise
        except AnyMQError as error:
            return [refusal(error)] * len(records)

    async def ends(self, stream: str) -> str:
        sid, next_position = await self._find(stream)
        return spell(sid, next_position - 1)

    async def reader(
        self, stream: str, start: Start, *, follow: bool, prefetch: int
    ) -> StreamReader:
        def work(session: Session) -> tuple[int, int, int]:
            sid, end = log.find_stream(session, self._names.physical(stream), self._names)
            return sid, log.first_after(session, sid, end, start, stream), end

        sid, position, end = await self._read(work)
        reader = SqliteReader(
            self._store,
            sid,
            stream,
            position,
            None if follow else end,
            is_owed=isinstance(start, After),
            clock=self._clock,
            on_close=self._readers.remove,
        )
        self._readers.append(reader)
        return reader

    async def commit(self, stream: str, group: str, position: str) -> None:
        def work(session: Session) -> None:
            sid, _ = log.find_stream(session, self._names.physical(stream), self._names)
            log.commit(session, sid, group, number_in(sid, position, stream))

        self._check_open()
        await self._store.run(work, timeout_s=self._options.request_timeout_s)

    async def committed(self, stream: str, group: str) -> str | None:
        def work(session: Session) -> str | None:
            sid, _ = log.find_stream(session, self._names.physical(stream), self._names)
            query = "SELECT position FROM committed WHERE stream = ? AND name = ?"
            found = session.one(query, (sid, group))
            return None if found is None else spell(sid, found)

        return await self._read(work)

    async def aclose(self, *, timeout_s: float) -> None:
        self._closed = True
        try:
            async with asyncio.TaskGroup() as closing:
                for reader in tuple(self._readers):
                    closing.create_task(reader.aclose(timeout_s=timeout_s))
        finally:
            await self._store.aclose(timeout_s=timeout_s)

    async def _find(self, stream: str) -> tuple[int, int]:
        name = self._names.physical(stream)
        return await self._read(lambda session: log.find_stream(session, name, self._names))

    async def _read(self, work: Callable[[Session], T]) -> T:
        self._check_open()
        return await self._store.run(work, timeout_s=self._options.request_timeout_s, writes=False)

    def _declare_again(self, session: Session) -> None:
        """In the thread: what was declared, in a file that took the place of another one."""
        specs = tuple(self._declared.values())
        log.declare_streams(session, specs, TopologyMode.MANAGE, self._names)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this stream is closed")
