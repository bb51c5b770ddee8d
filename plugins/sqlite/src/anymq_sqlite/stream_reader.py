"""Reads one stream from a position: to a fixed end, or on and on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from anymq.abc import Record, StreamReader
from anymq.errors import AnyMQError, ClosedError, ConfigError
from anymq.support.clock import Clock
from anymq_sqlite import log
from anymq_sqlite.positions import ROOM
from anymq_sqlite.request import Request
from anymq_sqlite.rows import Row, records_of
from anymq_sqlite.session import Session
from anymq_sqlite.store import Store

__all__ = ["SqliteReader"]

LEAST_WAIT_S = 1.0
LONGEST_STRIDE = 2000
"""Most records read at once, for other requests of the process have to wait so long: some 5 ms."""


class SqliteReader(StreamReader):
    """Holds a position, and what it read in advance."""

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
        self._rows: list[Row] = []
        """Read already, not yet handed out."""
        self._stride = 1
        self._store = store
        self._sid = sid
        self._base = sid * ROOM
        self._name = name
        self._position = position
        self._end = end
        self._clock = clock
        self._on_close = on_close
        self._pending: tuple[Request[list[Row]], asyncio.Future[list[Row] | None]] | None = None
        self._closed = False

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        self._check_open()
        if self.is_at_end:
            return []
        if not self._rows:
            rows = await self._read(max_records, wait_s if self._end is None else 0.0)
            self._check_open()
            if not rows:
                if self._end is not None and rows is not None:
                    self._pass(self._end)
                return []
            self._pass(rows[0][0] - self._base)
            self._is_owed = True
            self._rows = rows
        taken = self._rows[:max_records]
        self._rows = self._rows[max_records:]
        self._position = taken[-1][0] - self._base + 1
        return records_of(self._name, taken)

    @property
    def is_at_end(self) -> bool:
        return self._end is not None and self._position >= self._end

    async def aclose(self, *, timeout_s: float) -> None:
        if not self._closed:
            self._closed = True
            self._cancel()
            self._on_close(self)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this reader is closed")

    def _pass(self, position: int) -> None:
        """Go on where there is something again: positions have no gaps of their own."""
        if self._is_owed:
            self.lost += position - self._position
        self._position = position

    async def _read(self, wanted: int, wait_s: float) -> list[Row] | None:
        """What comes next, more than is wanted where much is there; None when it was cut short."""
        future: asyncio.Future[list[Row] | None] = asyncio.get_running_loop().create_future()
        sid, position = self._sid, self._position
        last = None if self._end is None else self._end - 1
        limit = max(wanted, self._stride)

        def look(session: Session) -> tuple[bool, float | None]:
            # Records are read, not taken: looking is all, and nothing is written.
            rows = log.read(session, sid, position, last, limit)
            failure = None if rows or log.is_there(session, sid, position) else self._begun_anew()
            if rows or failure is not None or wait_s <= 0:
                self._store.call(_resolve, future, rows, failure)
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
            rows = await future
        finally:
            timer.cancel()
            self._pending = None
            request.is_cancelled = True
        # Who reads all there is goes in long strides; who is woken for a record or two does not.
        self._stride = min(2 * limit, LONGEST_STRIDE) if rows and len(rows) == limit else 1
        return rows

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


def _resolve(
    future: asyncio.Future[list[Row] | None], rows: list[Row] | None, failure: AnyMQError | None
) -> None:
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(rows)
