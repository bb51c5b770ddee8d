"""The reader of one stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

from confluent_kafka import Message as Native

from anymq.abc import Record, StreamReader
from anymq.errors import BackendUnavailable, ClosedError
from anymq_kafka.log_thread import LogThread
from anymq_kafka.positions import format_position
from anymq_kafka.wire import appended_at, message_of

__all__ = ["KafkaReader"]


class KafkaReader(StreamReader):
    """Counts where it is in every partition, so that each record's position covers all."""

    def __init__(self, stream: str, last: Mapping[int, int]) -> None:
        """``last``: the offset that counts as read, by partition."""
        self._stream = stream
        self._last = dict(last)
        self._buffer: deque[Native] = deque()
        self._news = asyncio.Event()
        self._thread: LogThread | None = None
        self._is_finished = False
        self._failure: Exception | None = None
        self.is_closed = False

    def begin(self, thread: LogThread) -> None:
        """Start the thread that reads for this reader."""
        self._thread = thread
        thread.start()

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        until = asyncio.get_running_loop().time() + wait_s
        while True:
            if self.is_closed:
                raise ClosedError("this reader is closed")
            found = self._take(max_records)
            if found or self._is_finished:
                return found
            if self._failure is not None:
                raise self._failure
            self._news.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._news.wait()
            except TimeoutError:
                return []

    @property
    def is_at_end(self) -> bool:
        return self._is_finished and not self._buffer

    async def aclose(self, *, timeout_s: float) -> None:
        self.is_closed = True
        self._buffer.clear()
        self._news.set()
        if self._thread is not None:
            await self._thread.aclose(timeout_s=timeout_s)

    # What the thread tells.

    def arrived(self, records: Sequence[Native]) -> None:
        self._buffer.extend(records)
        self._news.set()

    def finished(self) -> None:
        self._is_finished = True
        self._news.set()

    def ended(self, error: Exception | None) -> None:
        if not self.is_closed:
            self._failure = error or BackendUnavailable("the reader's consumer ended by itself")
            self._news.set()

    def _take(self, max_records: int) -> list[Record]:
        count = min(max_records, len(self._buffer))
        if count <= 0:
            return []
        if self._thread is not None:
            self._thread.consumed(count)
        return [self._record(self._buffer.popleft()) for _ in range(count)]

    def _record(self, native: Native) -> Record:
        message = message_of(native, self._stream, "main")
        self._last[message.partition] = native.offset() or 0
        return Record(
            message=message,
            position=format_position(self._last),
            appended_at=appended_at(native),
            partition=message.partition,
        )
