"""Reading what a stream queue holds now, to its end."""

from __future__ import annotations

import asyncio

from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.data_channel import ack
from anymq_rabbitmq.errors import translated
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.properties import read_head

__all__ = ["offset_of", "read_present"]

_WINDOW = 5_000
"""More than one chunk of a stream holds, so that the last one comes whole."""


def offset_of(arrival: Arrival) -> int:
    """The record's offset in its stream."""
    return int(read_head(arrival.head)[1].get("x-stream-offset", -1))


async def read_present(
    link: Link, queue: str, offset: int | str, *, timeout_s: float
) -> list[Arrival]:
    """Everything from ``offset`` ("first", "last" chunk, or a number) to the present end.

    The server sends what is there before it answers the next question on the channel: once an
    answer brings nothing new, that was all. With a number, the chunk that it lies in comes whole.
    Raises TopologyError if there is no such queue.
    """
    found = _Found()
    channel = await link.data_channel(timeout_s=timeout_s)
    try:
        with translated("reading a stream"):
            async with asyncio.timeout(timeout_s):
                channel.tap(found)
                await channel.client.basic_qos(prefetch_count=_WINDOW)
                await channel.consume(queue, arguments={"x-stream-offset": offset})
                seen = -1
                while len(found.arrivals) > seen:
                    seen = len(found.arrivals)
                    if found.arrivals:
                        channel.settle([ack(found.arrivals[-1].delivery_tag, multiple=True)])
                    await channel.client.basic_qos(prefetch_count=_WINDOW)
    finally:
        with translated("closing a channel"):
            async with asyncio.timeout(timeout_s):
                await channel.close()
    return found.arrivals


class _Found:
    """Keeps what is delivered."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []

    def delivered(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)

    def returned(self, arrival: Arrival) -> None:
        """Nothing is published here."""

    def confirmed(self, tag: int, *, multiple: bool, is_taken: bool) -> None:
        """Nothing is published here."""
