"""Reads one stream from a position: to a fixed end, or on and on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from anymq.abc import Record, StreamReader
from anymq.errors import AnyMQError, ClosedError, ConfigError
from anymq.support.clock import Clock
from anymq_sqlite import log
from anymq_sqlite.positions import spell
from anymq_sqlite.request import Request
from anymq_sqlite.rows import Row, message_of
from anymq_sqlite.session import Session
from anymq_sqlite.store import Store

__all__ = ["SqliteReader"]

LEAST_WAIT_S = 1.0


class SqliteReader(StreamReader):
    """Holds nothing but a position."""

    def __init__(
        self,
        store: Store,
        sid: int,
        name: str,
        position: int,
        end: int | None,
        *,
        is_owed: bool,
        clock: Clock,
        on_close: Callable[[SqliteReader], None],
    ) -> None:
        self.lost = 0
        """Records that retention removed between where this reader was and where it went on."""
        self._is_owed = is_owed
        self._store = store
        self._sid = sid
        self._name = name
        self._position = position
        self._end = end
        self._clock = clock
        self._on_close = on_close
        self._pending: tuple[Request[list[Row]], asyncio.Future[list[Row] | None]] | None = None
        self._closed = False

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        if self._closed:
            raise ClosedError("this reader is closed")
        if self.is_at_end:
            return []
        rows = await self._read(max_records, wait_s if self._end is None else 0.0)
        if self._closed:
            raise ClosedError("this reader is closed")
        if not rows:
            if self._end is not None and rows is not None:
                self._pass(self._end)
            return []
        self._pass(rows[0][0])
        self._position = rows[-1][0] + 1
        self._is_owed = True
        return [self._record(row) for row in rows]

    @property
    def is_at_end(self) -> bool:
        return self._end is not None and self._position >= self._end

    def _pass(self, position: int) -> None:
        """Go on where there is something again: positions have no gaps of their own."""
        if self._is_owed:
            self.lost += position - self._position
        self._position = position

    async def aclose(self, *, timeout_s: float) -> None:
        if not self._closed:
            self._closed = True
            self._cancel()
            self._on_close(self)

    async def _read(self, limit: int, wait_s: float) -> list[Row] | None:
        future: asyncio.Future[list[Row] | None] = asyncio.get_running_loop().create_future()
        sid, position = self._sid, self._position
        last = None if self._end is None else self._end - 1
        rows: list[Row] = []

        def look(session: Session) -> tuple[bool, float | None]:
            # Records are read, not taken: looking is all, and nothing is written.
            rows[:] = log.read(session, sid, position, last, limit)
            failure = None if rows or log.is_there(session, sid, position) else self._begun_anew()
            if rows or failure is not None or wait_s <= 0:
                self._store.call(_resolve, future, list(rows), failure)
                request.is_cancelled = True
            return False, None

        request = Request[list[Row]](
            lambda session: None,
            on_done=lambda _value, failure: self._store.call(_resolve, future, None, failure),
            waits=wait_s > 0,
            keys=frozenset((-sid,)),
            may_have=look,
            now=self._clock.time,
        )
        self._pending = request, future
        limit_s = wait_s if wait_s > 0 else LEAST_WAIT_S
        timer = self._clock.call_later(limit_s, self._cancel)
        try:
            self._store.submit(request)
            return await future
        finally:
            timer.cancel()
            self._pending = None
            request.is_cancelled = True

    def _cancel(self) -> None:
        if self._pending is not None:
            request, future = self._pending
            request.is_cancelled = True
            _resolve(future, None, None)

    def _begun_anew(self) -> ConfigError:
        return ConfigError(
            f"stream {self._name!r} is not the one that was read: another file, or an older copy,"
            f" is in the place of {self._store.file}; begin at its earliest record, or at a moment"
        )

    def _record(self, row: Row) -> Record:
        position = spell(self._sid, row[0])
        message = message_of(self._name, position, row)
        return Record(message, position, row[1], message.partition)


def _resolve(
    future: asyncio.Future[list[Row] | None], rows: list[Row] | None, failure: AnyMQError | None
) -> None:
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(rows)
