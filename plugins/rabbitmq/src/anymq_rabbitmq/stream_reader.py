"""Reading one stream queue, from a start to its end or on and on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from anymq.abc import Record, Start, StreamReader
from anymq.abc.stream import After, At, Earliest
from anymq.errors import AnyMQError, ClosedError
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.data_channel import DataChannel, ack
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.intake import Intake
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.log_reading import offset_of
from anymq_rabbitmq.positions import offset_in
from anymq_rabbitmq.wire import appended_at, decode

__all__ = ["RabbitStreamReader"]

_MAX_PREFETCH = 65_535
"""AMQP counts it in 16 bits."""


class RabbitStreamReader(StreamReader):
    """One consumer, opened again behind the last record returned after a lost connection."""

    def __init__(
        self,
        link: Link,
        queue: str,
        topic: str,
        start: Start,
        *,
        last_offset: int,
        follow: bool,
        prefetch: int,
        timeout_s: float,
    ) -> None:
        self._queue = queue
        self._topic = topic
        self._since = start.time if isinstance(start, At) else None
        """Records of before are passed over: the server starts with a whole chunk."""
        self._start = start
        self._next: int | None = _first_offset(start, last_offset)
        """The offset to go on with; None until ``At`` has found the first one."""
        self._last = None if follow else last_offset
        self._prefetch = min(prefetch, _MAX_PREFETCH)
        self._is_closed = False
        self._intake = Intake(
            link, self._consume, on_gone=_nothing, repair=_cannot, timeout_s=timeout_s
        )

    async def open(self) -> None:
        """Begin to read. Raises TopologyError where there is no such stream."""
        if not self._is_over():
            await self._intake.open()

    @property
    def is_at_end(self) -> bool:
        return self._is_over()

    async def receive(self, *, max_records: int, wait_s: float) -> Sequence[Record]:
        self._check()
        if self._is_over():
            return []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            await self._intake.wait(self._has_news, deadline - loop.time())
            self._check()
            records, settled = self._take(max_records)
            if settled is not None:
                self._give_credit(settled)
            if records or self._is_over() or loop.time() >= deadline:
                return records

    async def aclose(self, *, timeout_s: float) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with translated("closing a stream reader"):
                async with asyncio.timeout(timeout_s):
                    await self._intake.aclose()
        except AnyMQError:
            pass  # the connection is gone, and the server keeps nothing of a reader
        finally:
            self._intake.wake()

    def _is_over(self) -> bool:
        if self._last is None:
            return False
        return self._last < 0 or (self._next is not None and self._next > self._last)

    def _has_news(self) -> bool:
        if self._is_closed or self._intake.failure is not None or self._is_over():
            return True
        return bool(self._intake.arrived)

    def _check(self) -> None:
        if self._is_closed:
            raise ClosedError("the stream reader is closed")
        if self._intake.failure is not None:
            raise self._intake.failure

    async def _consume(self, channel: DataChannel) -> Sequence[str]:
        offset: int | datetime
        if self._next is not None:
            offset = self._next
        else:
            offset = datetime.fromtimestamp(max(0.0, self._since or 0.0), UTC)
        await channel.client.basic_qos(prefetch_count=self._prefetch)
        tag = await channel.consume(self._queue, arguments={"x-stream-offset": offset})
        if self._next is None and self._last is not None:
            # The answer comes behind everything that is there already.
            await channel.client.basic_qos(prefetch_count=self._prefetch)
            if not self._intake.arrived:
                self._next = self._last + 1
        return [tag]

    def _take(self, max_records: int) -> tuple[list[Record], Arrival | None]:
        """The next records, and the last message that is done with."""
        arrived = self._intake.arrived
        records: list[Record] = []
        message: Arrival | None = None
        while arrived and len(records) < max_records and not self._is_over():
            message = arrived.popleft()
            offset = offset_of(message)
            if self._next is not None and offset < self._next:
                continue  # a chunk begins before the offset that was asked for
            self._next = offset + 1
            moment = appended_at(message)
            is_wanted = self._since is None or moment >= self._since
            if is_wanted and (self._last is None or offset <= self._last):
                records.append(self._record(message, offset, moment))
        return records, message

    def _record(self, message: Arrival, offset: int, moment: float) -> Record:
        return Record(
            message=decode(message, topic=self._topic, now=moment, lane="main"),
            position=str(offset),
            appended_at=moment,
        )

    def _give_credit(self, arrival: Arrival) -> None:
        """Let the server send more. Acking a stream's record does nothing else."""
        channel = arrival.channel
        if not channel.is_closed:  # else the next one goes on behind it
            channel.settle([ack(arrival.delivery_tag, multiple=True)])


def _first_offset(start: Start, last_offset: int) -> int | None:
    if isinstance(start, Earliest):
        return 0
    if isinstance(start, After):
        return offset_in(start.position) + 1
    return None if isinstance(start, At) else last_offset + 1


def _nothing() -> None:
    """Records are read again; nobody has to be told that they are lost."""


async def _cannot() -> bool:
    return False
