"""The Stream on a space of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anymq.abc import (
    BackendContext,
    BackendEvent,
    EventSink,
    Health,
    Record,
    Start,
    Stream,
    StreamReader,
    StreamSpec,
)
from anymq.abc.stream import After
from anymq.capabilities import Capabilities
from anymq.errors import AnyMQError, ClosedError, TopologyError
from anymq.memory.capabilities import capabilities_of
from anymq.memory.log import Log
from anymq.memory.options import MemoryOptions
from anymq.memory.space import Space, Waiter, space_named
from anymq.message import Message
from anymq.outcome import Confirmed, Rejected, SendResult
from anymq.support.clock import Clock
from anymq.topology import TopologyMode

__all__ = ["MemoryReader", "MemoryStream"]


class MemoryStream(Stream):
    """Logs live in the process and end with it."""

    def __init__(self, options: MemoryOptions, context: BackendContext) -> None:
        self._options = options
        self._clock = context.clock
        self._space: Space = space_named(context.physical(options.space))
        self._readers: list[MemoryReader] = []
        self._closed = False

    async def open(self, events: EventSink) -> Capabilities:
        self._space.check_up()
        events(BackendEvent("connected", f"memory://{self._space.name}"))
        return capabilities_of(self._options)

    async def health(self) -> Health:
        if self._closed:
            return Health("down", "closed")
        try:
            self._space.check_up()
        except AnyMQError as error:
            return Health("down", str(error))
        return Health("up", f"memory://{self._space.name}")

    async def declare(
        self, streams: Sequence[StreamSpec], *, mode: TopologyMode, timeout_s: float
    ) -> None:
        self._check_open()
        if mode is TopologyMode.ASSUME:
            return
        with self._space.lock:
            for spec in streams:
                if mode is TopologyMode.MANAGE:
                    self._space.streams.setdefault(spec.name, Log(spec))
                log = self._log(spec.name)
                if log.spec.partitions != spec.partitions:
                    raise TopologyError(
                        f"stream {spec.name!r} has {log.spec.partitions} partition(s), not"
                        f" {spec.partitions}"
                    )
                if mode is TopologyMode.MANAGE:
                    log.spec = spec

    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Sequence[SendResult]:
        self._check_open()
        now = self._clock.time()
        results: list[SendResult] = []
        with self._space.lock:
            for message in records:
                log = self._space.streams.get(message.topic)
                if log is None:
                    results.append(Rejected("not_found", f"no stream {message.topic!r}"))
                else:
                    results.append(Confirmed(log.append(message, now)))
            self._space.wake_readers()
        return results

    async def ends(self, stream: str) -> str:
        self._check_open()
        with self._space.lock:
            return self._log(stream).end()

    async def reader(
        self, stream: str, start: Start, *, follow: bool, prefetch: int
    ) -> StreamReader:
        self._check_open()
        with self._space.lock:
            log = self._log(stream)
            reader = MemoryReader(
                self._space,
                log,
                log.offset_of(start),
                end=None if follow else log.next_offset,
                is_owed=isinstance(start, After),
                clock=self._clock,
                on_close=self._readers.remove,
            )
        self._readers.append(reader)
        return reader

    async def commit(self, stream: str, group: str, position: str) -> None:
        self._check_open()
        with self._space.lock:
            offset = self._log(stream).offset_at(position)
            key = (stream, group)
            if offset > int(self._space.committed.get(key, "-1")):
                self._space.committed[key] = position

    async def committed(self, stream: str, group: str) -> str | None:
        self._check_open()
        with self._space.lock:
            return self._space.committed.get((stream, group))

    async def aclose(self, *, timeout_s: float) -> None:
        self._closed = True
        for reader in tuple(self._readers):
            await reader.aclose(timeout_s=timeout_s)

    def _log(self, name: str) -> Log:
        found = self._space.streams.get(name)
        if found is None:
            raise TopologyError(f"stream {name!r} does not exist on memory://{self._space.name}")
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this stream is closed")


class MemoryReader(StreamReader):
    """Reads one log from an offset, to a fixed end or on and on."""

    def __init__(
        self,
        space: Space,
        log: Log,
        offset: int,
        *,
        end: int | None,
        is_owed: bool,
        clock: Clock,
        on_close: Callable[[MemoryReader], None],
    ) -> None:
        self.lost = 0
        """Records that retention removed between where this reader was and where it went on."""
        self._is_owed = is_owed
        self._space = space
        self._log = log
        self._offset = offset
        self._end = end
        self._clock = clock
        self._on_close = on_close
        self._closed = False

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        deadline = self._clock.monotonic() + wait_s
        while True:
            if self._closed:
                raise ClosedError("this reader is closed")
            rest = deadline - self._clock.monotonic()
            with self._space.lock:
                records = self._take(max_records)
                if records or self.is_at_end or rest <= 0:
                    return records
                waiter = Waiter()
                self._space.stream_waiters.append(waiter)
            await self._woken(waiter, rest)

    @property
    def is_at_end(self) -> bool:
        return self._end is not None and self._offset >= self._end

    async def aclose(self, *, timeout_s: float) -> None:
        if self._closed:
            return
        self._closed = True
        self._on_close(self)
        with self._space.lock:
            self._space.wake_readers()

    def _take(self, max_records: int) -> Sequence[Record]:
        """The next records, and what retention removed passed over. The lock is held."""
        passed = self._log.first_offset - self._offset
        if passed > 0:
            self.lost += passed if self._is_owed else 0
            self._offset = self._log.first_offset
        limit = max_records
        if self._end is not None:
            limit = max(0, min(limit, self._end - self._offset))
        records = self._log.read(self._offset, limit)
        self._offset += len(records)
        self._is_owed = self._is_owed or bool(records)
        return records

    async def _woken(self, waiter: Waiter, rest_s: float) -> None:
        timer = self._clock.call_later(rest_s, waiter.wake)
        try:
            await waiter.future
        finally:
            timer.cancel()
            with self._space.lock:
                if waiter in self._space.stream_waiters:
                    self._space.stream_waiters.remove(waiter)
