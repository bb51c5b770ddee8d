"""The Stream on Apache Kafka: a topic's log, its partitions and its time index."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from confluent_kafka.admin._listoffsets import OffsetSpec

from anymq.abc import (
    BackendContext,
    EventSink,
    Health,
    Start,
    Stream,
    StreamReader,
    StreamSpec,
)
from anymq.abc.stream import After, At, Earliest, Latest
from anymq.capabilities import Capabilities
from anymq.errors import ConfigError, TopologyError, UnsupportedError
from anymq.message import Message
from anymq.outcome import SendResult
from anymq.topology import TopologyMode
from anymq_kafka.declare import TopicPlan
from anymq_kafka.link import Link
from anymq_kafka.log_thread import LogThread
from anymq_kafka.offsets import FIRST, LAST, at_time
from anymq_kafka.options import KafkaOptions
from anymq_kafka.positions import NOTHING_READ, format_position, parse_position
from anymq_kafka.reader import KafkaReader
from anymq_kafka.topic_config import topic_config
from anymq_kafka.wire import record_of

__all__ = ["KafkaStream"]


class KafkaStream(Stream):
    """Streams are topics of their own, dated by the broker that appends."""

    def __init__(self, options: KafkaOptions, context: BackendContext) -> None:
        self._link = Link(options, context)
        self._timeout_s = options.request_timeout_s
        self._readers: list[KafkaReader] = []

    async def open(self, events: EventSink) -> Capabilities:
        return await self._link.open(events)

    async def health(self) -> Health:
        return await self._link.health()

    async def declare(
        self, streams: Sequence[StreamSpec], *, mode: TopologyMode, timeout_s: float
    ) -> None:
        plans = [self._plan(spec) for spec in streams]
        topics = self._link.clients.topics
        if mode is TopologyMode.MANAGE:
            await topics.make(plans, timeout_s=timeout_s)
            self._link.declarations.remember(
                (plan.name for plan in plans),
                lambda limit_s: topics.make(plans, timeout_s=limit_s),
            )
        elif mode is TopologyMode.VERIFY:
            found = await topics.differences(plans, timeout_s=timeout_s)
            if found:
                raise TopologyError("; ".join(found))

    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Sequence[SendResult]:
        names = self._link.names
        return await self._link.send(
            [record_of(record, names.stream(record.topic)) for record in records],
            timeout_s=timeout_s,
        )

    async def ends(self, stream: str) -> str:
        ends = await self._offsets(stream, await self._partitions(stream), LAST)
        return format_position({number: offset - 1 for number, offset in ends.items()})

    async def reader(
        self, stream: str, start: Start, *, follow: bool, prefetch: int
    ) -> StreamReader:
        count = await self._partitions(stream)
        ends = await self._offsets(stream, count, LAST)
        starts = await self._starts(stream, start, count, ends)
        reader = KafkaReader(stream, {number: offset - 1 for number, offset in starts.items()})
        topic = self._link.names.stream(stream)
        thread = LogThread(
            self._link.config.consumer("anymq.reader", prefetch),
            name=f"{self._link.client_id}-kafka-reader",
            bridge=self._link.clients.bridge,
            prefetch=prefetch,
            topic=topic,
            starts=starts,
            ends=None if follow else ends,
            sink=reader,
        )
        reader.begin(thread)
        self._readers = [open_one for open_one in self._readers if not open_one.is_closed]
        self._readers.append(reader)
        return reader

    async def commit(self, stream: str, group: str, position: str) -> None:
        count = await self._partitions(stream)
        wanted = parse_position(position, partitions=count)
        there = await self._committed(stream, group, count)
        later = {
            (self._link.names.stream(stream), number): last + 1
            for number, last in wanted.items()
            if last > there.get(number, NOTHING_READ - 1)
        }
        group_id = self._link.names.stream_group(group)
        await self._link.clients.offsets.commit(group_id, later, timeout_s=self._timeout_s)

    async def committed(self, stream: str, group: str) -> str | None:
        there = await self._committed(stream, group, await self._partitions(stream))
        return format_position(there) if there else None

    async def aclose(self, *, timeout_s: float) -> None:
        async with asyncio.TaskGroup() as closing:
            for reader in self._readers:
                closing.create_task(reader.aclose(timeout_s=timeout_s / 2))
        await self._link.aclose(timeout_s=timeout_s / 2)

    async def _committed(self, stream: str, group: str, count: int) -> dict[int, int]:
        """The last offset that a group has done with, by partition."""
        topic = self._link.names.stream(stream)
        found = await self._link.clients.offsets.committed(
            self._link.names.stream_group(group),
            [(topic, number) for number in range(count)],
            timeout_s=self._timeout_s,
        )
        return {number: offset - 1 for (_, number), offset in found.items()}

    async def _starts(
        self, stream: str, start: Start, count: int, ends: dict[int, int]
    ) -> dict[int, int]:
        """The first offset to read, by partition."""
        match start:
            case Earliest():
                return await self._offsets(stream, count, FIRST)
            case Latest():
                return ends
            case At(time):
                found = await self._offsets(stream, count, at_time(time))
                return {n: offset if offset >= 0 else ends[n] for n, offset in found.items()}
            case After(position):
                last = parse_position(position, partitions=count)
                first = await self._offsets(stream, count, FIRST)
                starts = {n: max(first[n], last.get(n, NOTHING_READ) + 1) for n in first}
                if any(starts[number] > ends[number] for number in starts):
                    raise ConfigError(f"{position!r} is behind the end of stream {stream!r}")
                return starts

    async def _partitions(self, stream: str) -> int:
        topic = self._link.names.stream(stream)
        found = await self._link.clients.directory.describe([topic], timeout_s=self._timeout_s)
        if topic not in found:
            raise TopologyError(f"stream {stream!r} is not declared")
        return len(found[topic].partitions)

    async def _offsets(self, stream: str, count: int, spec: OffsetSpec) -> dict[int, int]:
        topic = self._link.names.stream(stream)
        found = await self._link.clients.offsets.ends(
            [(topic, number) for number in range(count)], spec, timeout_s=self._timeout_s
        )
        return {number: offset for (_, number), offset in found.items()}

    def _plan(self, spec: StreamSpec) -> TopicPlan:
        if spec.max_records is not None:
            raise UnsupportedError(
                f"stream {spec.name!r}: Kafka keeps no max_records, it does not bound a log by the"
                " number of its records; use max_bytes or max_age_s"
            )
        config = topic_config(
            self._link.config.record_bytes,
            max_age_s=spec.max_age_s,
            max_bytes=None if spec.max_bytes is None else spec.max_bytes // spec.partitions,
        )
        config["message.timestamp.type"] = "LogAppendTime"
        return TopicPlan(
            self._link.names.stream(spec.name), spec.partitions, config | dict(spec.options)
        )
