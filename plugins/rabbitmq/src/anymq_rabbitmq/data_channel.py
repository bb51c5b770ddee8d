"""A channel whose messages and settlements bypass the client library, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError
from pamqp.common import FieldTable

from anymq_rabbitmq.tap import Sink, Tap

__all__ = ["DataChannel", "ack", "nack"]


class DataChannel:
    """An open aiormq channel for everything that has an answer; the rest is written straight.

    The frames of one write stay together, and writes keep their order.
    """

    def __init__(self, channel: Channel, tap: Tap, writer: asyncio.StreamWriter) -> None:
        self.client = channel
        self.number = channel.number
        self._tap = tap
        self._writer = writer

    @property
    def is_closed(self) -> bool:
        return self.client.is_closed or self._writer.transport.is_closing()

    @property
    def closing(self) -> asyncio.Future[Any]:
        """Done when the channel has ended."""
        return self.client.closing

    @property
    def max_content_size(self) -> int:
        """How many bytes of a header or body fit into one frame."""
        return self.client.max_content_size

    def tap(self, sink: Sink) -> None:
        """Have ``sink`` take what arrives, until the channel ends."""
        self._tap.open(self.number, sink)
        self.closing.add_done_callback(lambda _: self._tap.close(self.number, sink))

    async def consume(
        self,
        queue: str,
        *,
        tag: str = "",
        no_ack: bool = False,
        arguments: FieldTable | None = None,
    ) -> str:
        """Begin to consume; deliveries come to the sink. Returns the consumer's tag."""
        started = await self.client.basic_consume(
            queue, _never, no_ack=no_ack, consumer_tag=tag or None, arguments=arguments
        )
        return started.consumer_tag or ""

    def write(self, frames: bytes) -> None:
        """Queue whole frames of this channel. Raises if it is closed."""
        if self.is_closed:
            raise ChannelInvalidStateError("the channel is closed")
        self._writer.write(frames)

    async def drain(self) -> None:
        """Wait until the socket takes more. Bounded by the caller."""
        await self._writer.drain()

    def settle(self, methods: Iterable[bytes]) -> None:
        """Write acks and nacks, which have no answer. Raises if it is closed."""
        prefix = b"\x01" + self.number.to_bytes(2, "big") + b"\x00\x00\x00\x0d"
        self.write(b"".join([prefix + method + b"\xce" for method in methods]))

    async def close(self) -> None:
        """Close by handshake: the server takes back everything unsettled. Idempotent."""
        if not self.client.is_closed:
            await self.client.close()


async def _never(_message: DeliveredMessage) -> None:
    """The client library sees no delivery of a tapped channel."""


def ack(tag: int, *, multiple: bool = False) -> bytes:
    """A method for ``settle``: this one is done, or all up to it."""
    return b"\x00\x3c\x00\x50" + tag.to_bytes(8, "big") + (b"\x01" if multiple else b"\x00")


def nack(tag: int) -> bytes:
    """A method for ``settle``: this one goes back to its queue."""
    return b"\x00\x3c\x00\x78" + tag.to_bytes(8, "big") + b"\x02"
