"""Positions in a stream, and where groups keep theirs: a queue that holds one message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from anymq.errors import BackendUnavailable, ConfigError
from anymq.outcome import Confirmed, Rejected, SendResult
from anymq.support.backoff import Backoff
from anymq.support.ids import new_id
from anymq_rabbitmq.confirms import Parcel
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.frames import write_frames
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.locks import locked_patiently
from anymq_rabbitmq.names import position_queue
from anymq_rabbitmq.on_disk import until_on_disk
from anymq_rabbitmq.properties import Properties
from anymq_rabbitmq.publisher import Publisher
from anymq_rabbitmq.quorum import quorum_arguments
from anymq_rabbitmq.scratch import scratch_channel

__all__ = ["NOTHING_YET", "Positions", "offset_in"]

NOTHING_YET = -1
"""The offset in the position of an empty stream."""

_BEGIN_S = 30.0
"""When others stop waiting for a process that hangs while it makes a queue."""


def offset_in(position: str) -> int:
    """The offset in a position that this backend gave. Raises ConfigError for another's."""
    if position == str(NOTHING_YET) or (position.isascii() and position.isdigit()):
        return int(position)
    raise ConfigError(f"{position!r} is no position in a RabbitMQ stream")


class Positions:
    """One quorum queue per (stream, group), with one message in it.

    Whoever has taken the message may replace it, and nobody else can see it meanwhile: that makes
    comparing and setting one step. The new message is confirmed before the old one is acked. If
    the process dies between, both stay: whoever comes next takes both, the higher one counts.
    """

    def __init__(
        self, link: Link, publisher: Publisher, directory: Directory, *, timeout_s: float
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._directory = directory
        self._timeout_s = timeout_s
        self._beginning = asyncio.Lock()
        """The server's lock keeps other connections out, this one our own callers."""

    async def committed(self, stream: str, group: str) -> str | None:
        """As ``Stream.committed``, by the stream's physical name."""
        queue = position_queue(stream, group)
        if not await self._directory.has_queue(queue):
            return None
        async with self._taken(queue) as (_, messages):
            return str(_highest(messages))  # closing the channel puts them back

    async def commit(self, stream: str, group: str, position: str) -> None:
        """As ``Stream.commit``, by the stream's physical name."""
        offset = offset_in(position)
        queue = position_queue(stream, group)
        if not await self._directory.has_queue(queue):
            await self._begin(queue)
        async with self._taken(queue) as (channel, messages):
            if _highest(messages) >= offset:
                return
            await self._put(queue, position)
            await write_frames(channel, [Basic.Ack(m.delivery_tag or 0) for m in messages])

    async def _begin(self, queue: str) -> None:
        """Make the queue with its first position, once: a second one, late, would be a step back
        for whoever sees it alone."""
        lock = locked_patiently(
            self._link, f"anymq.begin.{queue}", lease_s=_BEGIN_S, timeout_s=self._timeout_s
        )
        async with self._beginning, lock:
            if await self._directory.has_queue(queue):
                return
            arguments = quorum_arguments(self._link.server_version)
            doing = "making a position"
            async with scratch_channel(self._link, doing, self._timeout_s) as channel:
                await channel.queue_declare(queue, durable=True, arguments=arguments)
            await until_on_disk()
            await self._put(queue, str(NOTHING_YET))

    @asynccontextmanager
    async def _taken(self, queue: str) -> AsyncIterator[tuple[Channel, list[DeliveredMessage]]]:
        doing = "reading a position"
        async with scratch_channel(self._link, doing, self._timeout_s) as channel:
            yield channel, await self._take(channel, queue)

    async def _take(self, channel: Channel, queue: str) -> list[DeliveredMessage]:
        """What is there, waiting while somebody else has it."""
        backoff = Backoff(first_s=0.005, max_s=0.1)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s * 0.8
        while loop.time() < deadline:
            found: list[DeliveredMessage] = []
            while isinstance((message := await channel.basic_get(queue)).delivery, Basic.GetOk):
                found.append(message)
            if found:
                return found
            await asyncio.sleep(backoff.next_s())
        # Nobody holds it so long: whoever made the queue died before the first position was in it.
        await self._put(queue, str(NOTHING_YET))
        raise BackendUnavailable(f"there was no position in {queue!r}; one is there now")

    async def _put(self, queue: str, position: str) -> None:
        properties = Properties(content_type="text/plain", message_id=new_id())
        missing = Rejected("not_found", f"there is no queue {queue!r}")

        async def prepare() -> list[Parcel | SendResult]:
            return [Parcel("", queue, properties, position.encode(), missing)]

        (result,) = await self._publisher.publish(prepare, count=1, timeout_s=self._timeout_s)
        if not isinstance(result, Confirmed):
            raise BackendUnavailable(f"the position was not stored: {result.reason}")


def _highest(messages: Sequence[DeliveredMessage]) -> int:
    return max(offset_in(message.body.decode()) for message in messages)
