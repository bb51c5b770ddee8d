"""Reading: one reader of a stream, from where it was asked, on and on or to the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from anymq.abc import Record, StreamReader
from anymq.abc.stream import After, Latest, Start
from anymq.codecs.reading import BodyReader
from anymq.errors import BackendUnavailable, ClosedError, InvalidState
from anymq.events import RecordsLost
from anymq.streams.loss import lost_by
from anymq.streams.recent import Recent
from anymq.streams.record import StreamRecord
from anymq.support.backoff import Backoff
from anymq.support.limits import within

if TYPE_CHECKING:
    from anymq.runtime.stream_role import StreamRole

__all__ = ["CLOSE_S", "WAIT_S", "Reading"]

T = TypeVar("T")

WAIT_S = 30.0
"""One wait for records; only how often an idle reader looks after itself."""
CLOSE_S = 5.0


class Reading(Generic[T]):
    """``async for record in reading``, or ``async with`` it for an end at a moment of your choice.

    It belongs to no group and moves none. A lost connection is waited out. One task reads at a
    time. Left by ``break``, the loop closes the reader; ``aclose`` does it at once.
    """

    def __init__(
        self,
        role: StreamRole,
        stream: str,
        start: Start,
        *,
        follow: bool,
        prefetch: int,
        read: BodyReader,
        distinct: bool,
        group: str | None = None,
    ) -> None:
        self.lost = 0
        """Records that retention removed before they were read."""
        self.position: str | None = start.position if isinstance(start, After) else None
        """Of the last record handed out, or where it began; None before the first record."""
        self._role = role
        self._stream = stream
        self._start = start
        self._follow = follow
        self._prefetch = prefetch
        self._read = read
        self._recent = Recent() if distinct else None
        self._group = group
        self._reader: StreamReader | None = None
        self._lost_here = 0
        self._is_closed = False

    async def __aenter__(self) -> Self:
        """Open the reader: from now on ``LATEST`` misses nothing. Raises as ``receive``."""
        await self._open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[StreamRecord[T]]:
        """Record after record; ends at the end where it does not follow."""
        async with self._kept_open():
            while not self._is_done:
                for record in await self._next(None):
                    yield record

    async def batches(self, *, max_records: int = 500) -> AsyncIterator[list[StreamRecord[T]]]:
        """The same in lists of 1 to ``max_records``, as they come."""
        async with self._kept_open():
            while not self._is_done:
                records = await self._next(max_records)
                if records:
                    yield records

    async def receive(
        self, *, max_records: int | None = None, wait_s: float = WAIT_S
    ) -> list[StreamRecord[T]]:
        """1 to ``max_records`` records, or none after ``wait_s`` seconds or at the end.

        Raises TopologyError (no such stream), ConfigError (a position of another stream),
        ClosedError, AccessDenied.
        """
        read = self._read
        return [StreamRecord(raw, read) for raw in await self.receive_raw(max_records, wait_s)]

    async def receive_raw(self, max_records: int | None, wait_s: float) -> Sequence[Record]:
        """As ``receive``, as the driver gives them."""
        if self._is_closed:
            raise ClosedError(f"this reader of stream {self._stream!r} is closed")
        records = await self._patiently(max_records or self._prefetch, wait_s)
        if records:
            self.position = records[-1].position
        if self._recent is not None:
            is_new = self._recent.is_new
            records = [record for record in records if is_new(record.message.id)]
        return records

    @property
    def is_at_end(self) -> bool:
        """True once a reader that does not follow has given everything."""
        return self._reader is not None and self._reader.is_at_end

    async def aclose(self) -> None:
        """Close the reader. Idempotent."""
        self._is_closed = True
        reader, self._reader = self._reader, None
        if reader is not None:
            async with within(CLOSE_S):
                await reader.aclose(timeout_s=CLOSE_S)

    async def _next(self, max_records: int | None) -> list[StreamRecord[T]]:
        """What comes next, if anything; an outage is waited out for as long as it lasts."""
        try:
            return await self.receive(max_records=max_records, wait_s=WAIT_S)
        except BackendUnavailable:
            return []

    @property
    def _is_done(self) -> bool:
        return self._is_closed or self.is_at_end

    @asynccontextmanager
    async def _kept_open(self) -> AsyncIterator[None]:
        """Open for as long as it is read; closed afterwards unless somebody else opened it."""
        is_ours = self._reader is None
        if is_ours:
            await self._open()
        try:
            yield
        finally:
            if is_ours:
                await self.aclose()

    async def _open(self) -> StreamReader:
        if self._is_closed:
            raise ClosedError(f"this reader of stream {self._stream!r} is closed")
        if self._reader is not None:
            raise InvalidState(f"this reader of stream {self._stream!r} is open already")
        stream = await self._role.ready(self._stream)
        if self.position is None and isinstance(self._start, Latest):
            # Pinned: who has to open again misses nothing that came meanwhile.
            self.position = await stream.ends(self._stream)
        start = self._start if self.position is None else After(self.position)
        self._reader = await stream.reader(
            self._stream, start, follow=self._follow, prefetch=self._prefetch
        )
        self._lost_here = 0
        return self._reader

    async def _patiently(self, max_records: int, wait_s: float) -> Sequence[Record]:
        """Receive; where the driver gives its reader up, open another one behind the last."""
        clock = self._role.clock
        until = clock.monotonic() + wait_s
        backoff = Backoff(first_s=0.05, max_s=2.0)
        while True:
            rest_s = max(0.0, until - clock.monotonic())
            try:
                reader = self._reader or await self._open()
                records = await reader.receive(max_records=max_records, wait_s=rest_s)
            except BackendUnavailable:
                await self._drop()
                delay_s = backoff.next_s()
                if delay_s >= until - clock.monotonic():
                    raise
                await clock.sleep(delay_s)
                continue
            self._note_loss(reader)
            return records

    async def _drop(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            async with within(CLOSE_S):
                await reader.aclose(timeout_s=CLOSE_S)

    def _note_loss(self, reader: StreamReader) -> None:
        told = lost_by(reader)
        if told > self._lost_here:
            count, self._lost_here = told - self._lost_here, told
            self.lost += count
            self._role.tell(RecordsLost(self._stream, self._group, count, self.position))
