"""Reading what a stream queue holds now, to its end."""

from __future__ import annotations

from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.frames import write_frames
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.properties import read_head
from anymq_rabbitmq.scratch import scratch_channel

__all__ = ["offset_of", "read_present"]

_WINDOW = 5_000
"""More than one chunk of a stream holds, so that the last one comes whole."""


def offset_of(message: DeliveredMessage | Arrival) -> int:
    """The record's offset in its stream."""
    if isinstance(message, Arrival):
        headers: Any = read_head(message.head)[1]
    else:
        headers = message.header.properties.headers or {}
    return int(headers.get("x-stream-offset", -1))


async def read_present(
    link: Link, queue: str, offset: int | str, *, timeout_s: float
) -> list[DeliveredMessage]:
    """Everything from ``offset`` ("first", "last" chunk, or a number) to the present end.

    The server sends what is there before it answers the next question on the channel: once an
    answer brings nothing new, that was all. Raises TopologyError if there is no such queue.
    """
    found: list[DeliveredMessage] = []

    async def keep(message: DeliveredMessage) -> None:
        found.append(message)

    async with scratch_channel(link, "reading a stream", timeout_s) as channel:
        await channel.basic_qos(prefetch_count=_WINDOW)
        await channel.basic_consume(queue, keep, arguments={"x-stream-offset": offset})
        seen = -1
        while len(found) > seen:
            seen = len(found)
            if found:
                tag = found[-1].delivery_tag or 0
                await write_frames(channel, [Basic.Ack(tag, multiple=True)])
            await channel.basic_qos(prefetch_count=_WINDOW)
    return found
