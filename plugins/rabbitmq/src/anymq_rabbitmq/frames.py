"""Several AMQP frames of one channel in one write."""

from __future__ import annotations

from collections.abc import Sequence

from aiormq.abc import AbstractChannel, ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError
from pamqp.base import Frame

__all__ = ["write_frames"]


async def write_frames(channel: AbstractChannel, frames: Sequence[Frame]) -> None:
    """Queue frames that have no answer (ack, nack). Raises if the channel is closed."""
    if not frames:
        return
    if channel.is_closed or not isinstance(channel, Channel):
        raise ChannelInvalidStateError("the channel is closed")
    await channel.write_queue.put(
        ChannelFrame.marshall(channel_number=channel.number, frames=frames)
    )
