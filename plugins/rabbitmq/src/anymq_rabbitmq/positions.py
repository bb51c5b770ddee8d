"""Positions in a stream, and where groups keep theirs: a queue that holds one message."""

from __future__ import annotations

import asyncio

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic
from pamqp.common import FieldTable

from anymq.errors import BackendUnavailable, ConfigError
from anymq.outcome import Confirmed, Rejected, SendResult
from anymq.support.backoff import Backoff
from anymq.support.ids import new_id
from anymq_rabbitmq.confirms import Parcel
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.frames import write_frames
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.names import position_queue
from anymq_rabbitmq.on_disk import until_on_disk
from anymq_rabbitmq.publisher import Publisher
from anymq_rabbitmq.scratch import scratch_channel
from anymq_rabbitmq.wire import PERSISTENT

__all__ = ["NOTHING_YET", "Positions", "offset_in"]

NOTHING_YET = -1
"""The offset in the position of an empty stream."""

_ARGUMENTS: FieldTable = {
    "x-queue-type": "quorum",
    "x-max-length": 1,
    "x-overflow": "drop-head",
}


def offset_in(position: str) -> int:
    """The offset in a position that this backend gave. Raises ConfigError for another's."""
    if position == str(NOTHING_YET) or (position.isascii() and position.isdigit()):
        return int(position)
    raise ConfigError(f"{position!r} is no position in a RabbitMQ stream")


class Positions:
    """One quorum queue of length one per (stream, group).

    Whoever has taken the message may replace it, and nobody else can see it meanwhile: that makes
    comparing and setting one step. The new message is confirmed before the old one is acked; if
    the process dies between, the queue's limit drops the old one, which is at its head.
    """

    def __init__(
        self, link: Link, publisher: Publisher, directory: Directory, *, timeout_s: float
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._directory = directory
        self._timeout_s = timeout_s

    async def committed(self, stream: str, group: str) -> str | None:
        """As ``Stream.committed``, by the stream's physical name."""
        queue = position_queue(stream, group)
        if not await self._directory.has_queue(queue):
            return None
        async with scratch_channel(self._link, "reading a position", self._timeout_s) as channel:
            message = await _take(channel, queue)
            return message.body.decode()  # closing the channel puts it back

    async def commit(self, stream: str, group: str, position: str) -> None:
        """As ``Stream.commit``, by the stream's physical name."""
        offset = offset_in(position)
        queue = position_queue(stream, group)
        if not await self._directory.has_queue(queue):
            await self._begin(queue)
        async with scratch_channel(self._link, "storing a position", self._timeout_s) as channel:
            message = await _take(channel, queue)
            if offset_in(message.body.decode()) >= offset:
                return
            await self._put(queue, position)
            await write_frames(channel, [Basic.Ack(message.delivery_tag or 0)])

    async def _begin(self, queue: str) -> None:
        """Make the queue with a first position; of two who do so at once one message stays."""
        async with scratch_channel(self._link, "making a position", self._timeout_s) as channel:
            await channel.queue_declare(queue, durable=True, arguments=_ARGUMENTS)
        await until_on_disk()
        await self._put(queue, str(NOTHING_YET))

    async def _put(self, queue: str, position: str) -> None:
        properties = Basic.Properties(
            content_type="text/plain", delivery_mode=PERSISTENT, message_id=new_id()
        )
        missing = Rejected("not_found", f"there is no queue {queue!r}")

        async def prepare() -> list[Parcel | SendResult]:
            return [Parcel("", queue, properties, position.encode(), missing)]

        (result,) = await self._publisher.publish(prepare, count=1, timeout_s=self._timeout_s)
        if not isinstance(result, Confirmed):
            raise BackendUnavailable(f"the position was not stored: {result.reason}")


async def _take(channel: Channel, queue: str) -> DeliveredMessage:
    """The one message, waiting while somebody else has it. The caller's limit bounds it."""
    backoff = Backoff(first_s=0.005, max_s=0.1)
    while True:
        message = await channel.basic_get(queue)
        if isinstance(message.delivery, Basic.GetOk):
            return message
        await asyncio.sleep(backoff.next_s())
