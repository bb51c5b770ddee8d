"""The Stream on RabbitMQ: a stream queue per stream, over AMQP 0-9-1."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from pamqp.common import FieldTable

from anymq.abc import BackendContext, EventSink, Health, Start, Stream, StreamReader, StreamSpec
from anymq.capabilities import Capabilities
from anymq.errors import ClosedError, TopologyError, UnsupportedError
from anymq.message import Message
from anymq.outcome import Rejected, SendResult
from anymq.topology import TopologyMode
from anymq_rabbitmq.capabilities import capabilities_of
from anymq_rabbitmq.confirms import Parcel
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.links import Links
from anymq_rabbitmq.log_reading import offset_of, read_present
from anymq_rabbitmq.names import check_length
from anymq_rabbitmq.on_disk import until_on_disk
from anymq_rabbitmq.options import RabbitMQOptions
from anymq_rabbitmq.patience import patiently
from anymq_rabbitmq.positions import NOTHING_YET, Positions
from anymq_rabbitmq.publisher import Publisher
from anymq_rabbitmq.scratch import scratch_channel
from anymq_rabbitmq.stream_reader import RabbitStreamReader
from anymq_rabbitmq.wire import encode_record

__all__ = ["RabbitMQStream"]


class RabbitMQStream(Stream):
    """Two connections, as the Broker has: one appends, the other reads and declares."""

    def __init__(self, options: RabbitMQOptions, context: BackendContext) -> None:
        self._options = options
        self._context = context
        self._timeout_s = options.request_timeout_s
        self._links = Links(options, context.client_id, on_change=self._look_again)
        self._directory = Directory(self._links.consuming, timeout_s=self._timeout_s)
        self._publisher = Publisher(self._links.publishing)
        self._positions = Positions(
            self._links.consuming, self._publisher, self._directory, timeout_s=self._timeout_s
        )
        self._readers: list[RabbitStreamReader] = []
        self._is_closed = False

    async def open(self, events: EventSink) -> Capabilities:
        await self._links.open(events)
        return capabilities_of(self._options, server_version=self._links.consuming.server_version)

    async def health(self) -> Health:
        return await self._links.health(self._directory.ask)

    async def declare(
        self, streams: Sequence[StreamSpec], *, mode: TopologyMode, timeout_s: float
    ) -> None:
        self._check_open()
        with translated("declaring streams"):
            async with asyncio.timeout(timeout_s):
                await patiently(partial(self._declare_all, streams, mode), timeout_s=timeout_s)

    async def append(self, records: Sequence[Message], *, timeout_s: float) -> Sequence[SendResult]:
        self._check_open()
        if not records:
            return []

        async def prepare() -> Sequence[Parcel | SendResult]:
            now = self._context.clock.time()
            return [self._parcel(record, now) for record in records]

        return await self._publisher.publish(prepare, count=len(records), timeout_s=timeout_s)

    async def ends(self, stream: str) -> str:
        self._check_open()
        return str(await self._last_offset(self._context.physical(stream)))

    async def reader(
        self, stream: str, start: Start, *, follow: bool, prefetch: int
    ) -> StreamReader:
        self._check_open()
        queue = self._context.physical(stream)
        reader = RabbitStreamReader(
            self._links.consuming,
            queue,
            stream,
            start,
            last_offset=await self._last_offset(queue),
            follow=follow,
            prefetch=prefetch,
            timeout_s=self._timeout_s,
        )
        await reader.open()
        self._readers.append(reader)
        return reader

    async def commit(self, stream: str, group: str, position: str) -> None:
        self._check_open()
        await self._positions.commit(self._context.physical(stream), group, position)

    async def committed(self, stream: str, group: str) -> str | None:
        self._check_open()
        return await self._positions.committed(self._context.physical(stream), group)

    async def aclose(self, *, timeout_s: float) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with asyncio.TaskGroup() as closing:
            for reader in self._readers:
                closing.create_task(reader.aclose(timeout_s=timeout_s / 2))
        left_s = deadline - asyncio.get_running_loop().time()
        await self._links.aclose(timeout_s=max(0.0, left_s))

    async def _declare_all(self, streams: Sequence[StreamSpec], mode: TopologyMode) -> None:
        made = [await self._declare(spec, mode) for spec in streams]
        if any(made):
            await until_on_disk()

    async def _declare(self, spec: StreamSpec, mode: TopologyMode) -> bool:
        """Whether it had to be made."""
        if spec.partitions != 1:
            raise UnsupportedError("a stream on RabbitMQ has one partition")
        if spec.max_records is not None:
            raise UnsupportedError(
                "a stream on RabbitMQ is limited by max_bytes or max_age_s, not by max_records"
            )
        name = check_length(self._context.physical(spec.name))
        if mode is TopologyMode.MANAGE:
            was_there = await self._directory.has_queue(name)
            async with scratch_channel(
                self._links.consuming, f"declaring stream {spec.name!r}", self._timeout_s
            ) as channel:
                await channel.queue_declare(name, durable=True, arguments=_arguments(spec))
            return not was_there
        if mode is TopologyMode.VERIFY and not await self._directory.has_queue(name):
            raise TopologyError(f"the stream {spec.name!r} is not declared on RabbitMQ")
        return False

    def _parcel(self, record: Message, now: float) -> Parcel | SendResult:
        properties = encode_record(record, appended_at=now)
        if isinstance(properties, Rejected):
            return properties
        missing = Rejected("not_found", f"the stream {record.topic!r} is not declared")
        return Parcel("", self._context.physical(record.topic), properties, record.body, missing)

    async def _last_offset(self, queue: str) -> int:
        last = await read_present(self._links.consuming, queue, "last", timeout_s=self._timeout_s)
        return offset_of(last[-1]) if last else NOTHING_YET

    def _look_again(self) -> None:
        self._directory.forget()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the RabbitMQ stream is closed")


def _arguments(spec: StreamSpec) -> FieldTable:
    arguments: FieldTable = {"x-queue-type": "stream"}
    if spec.max_bytes is not None:
        arguments["x-max-length-bytes"] = spec.max_bytes
    if spec.max_age_s is not None:
        arguments["x-max-age"] = f"{max(1, round(spec.max_age_s))}s"
    return arguments
