"""Publishing in batches: one write for many messages, their confirms counted as they come.

aiormq takes a lock, a task and two futures per publish; that halves the rate. This module writes a
batch's frames at once and puts a light stand-in where aiormq keeps the future of each publish. It
is the only one that knows aiormq's channel from within (its public attributes ``lock``,
``delivery_tag``, ``confirmations``, ``message_id_delivery_tag`` and ``write_queue``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pamqp.frame
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from anymq.outcome import CONFIRMED, Rejected, SendResult, Unknown
from anymq_rabbitmq.names import too_long

__all__ = ["Batch", "Parcel", "write_batch"]

_UNIQUE_PART = 200
"""How much of an id is kept when a number is put behind it; AMQP takes 255 bytes."""
_CHUNK_BYTES = 256 * 1024
"""Written in one piece; larger ones would hold the loop and the socket's buffer."""


@dataclass(slots=True, eq=False)
class Parcel:
    """One message, ready to write."""

    exchange: str
    routing_key: str
    properties: Basic.Properties
    body: bytes
    unrouted: SendResult
    """The answer when nothing is bound where it went."""


class Batch:
    """The results of some parcels, in order; complete when ``done`` is set."""

    def __init__(self, parcels: Sequence[Parcel]) -> None:
        self.parcels = parcels
        self.results: list[SendResult | None] = [None] * len(parcels)
        self.done = asyncio.Event()
        self._missing = len(parcels)
        if not parcels:
            self.done.set()

    def answer(self, index: int, result: SendResult) -> None:
        """Keep the first answer for a parcel."""
        if self.results[index] is not None:
            return
        self.results[index] = result
        self._missing -= 1
        if not self._missing:
            self.done.set()

    def end(self, reason: str) -> list[SendResult]:
        """All results; what has no answer by now is Unknown for that reason."""
        return [Unknown(reason) if result is None else result for result in self.results]


class _Slot:
    """Takes the confirm of one parcel, in place of aiormq's future."""

    __slots__ = ("_batch", "_channel", "_index", "_message_id")

    def __init__(self, batch: Batch, index: int, channel: Channel, message_id: str) -> None:
        self._batch = batch
        self._index = index
        self._channel = channel
        self._message_id = message_id

    def done(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return False

    def set_result(self, frame: Any) -> None:
        self._channel.message_id_delivery_tag.pop(self._message_id, None)
        self._batch.answer(self._index, CONFIRMED)

    def set_exception(self, error: Exception) -> None:
        """A return (nothing is bound there) or a nack (the queue is full, or failed)."""
        self._channel.message_id_delivery_tag.pop(self._message_id, None)
        frame = getattr(error, "frame", None)
        if isinstance(frame, Basic.Return):
            self._batch.answer(self._index, self._batch.parcels[self._index].unrouted)
        else:
            self._batch.answer(self._index, Rejected("full", "the queue refused it"))


async def write_batch(channel: Channel, batch: Batch) -> None:
    """Write a batch's parcels in order, behind all that was written before.

    Returns when the last byte is queued, not confirmed. Cancelled: a tail may be unwritten.
    Raises what aiormq does when the channel is closed.
    """
    async with channel.lock:
        chunk: list[tuple[int, bytes]] = []
        size = 0
        ids: set[str] = set()
        for index, parcel in enumerate(batch.parcels):
            _make_unique(parcel.properties, channel, ids, channel.delivery_tag + len(chunk) + 1)
            frames = _frames(channel, parcel)
            if isinstance(frames, Rejected):
                batch.answer(index, frames)
                continue
            chunk.append((index, frames))
            size += len(frames)
            if size >= _CHUNK_BYTES:
                await _write_chunk(channel, batch, chunk)
                chunk, size = [], 0
        if chunk:
            await _write_chunk(channel, batch, chunk)


async def _write_chunk(channel: Channel, batch: Batch, chunk: list[tuple[int, bytes]]) -> None:
    first = channel.delivery_tag + 1
    confirmations = cast("dict[int, Any]", channel.confirmations)
    ids: list[str] = []
    for tag, (index, _) in enumerate(chunk, first):
        message_id = batch.parcels[index].properties.message_id or ""
        confirmations[tag] = _Slot(batch, index, channel, message_id)
        channel.message_id_delivery_tag[message_id] = tag
        ids.append(message_id)
    channel.delivery_tag += len(chunk)
    is_queued = False
    try:
        # The drain future makes the writer wait for the socket: memory stays bounded when the
        # server stops reading.
        await channel.write_queue.put(
            ChannelFrame(
                payload=b"".join(frames for _, frames in chunk),
                should_close=False,
                drain_future=asyncio.get_running_loop().create_future(),
            )
        )
        is_queued = True
    finally:
        if not is_queued:  # the server has not seen them: their numbers are free again
            channel.delivery_tag = first - 1
            for tag, message_id in enumerate(ids, first):
                confirmations.pop(tag, None)
                channel.message_id_delivery_tag.pop(message_id, None)


def _make_unique(properties: Basic.Properties, channel: Channel, ids: set[str], tag: int) -> None:
    """aiormq finds the publish of a returned message by this property, so it must be unique among
    those in flight. The true id is in the headers."""
    message_id = properties.message_id or ""
    if message_id in channel.message_id_delivery_tag or message_id in ids:
        message_id = f"{message_id[:_UNIQUE_PART]}#{tag}"
        properties.message_id = message_id
    ids.add(message_id)


def _frames(channel: Channel, parcel: Parcel) -> bytes | Rejected:
    header = pamqp.frame.marshal(
        ContentHeader(body_size=len(parcel.body), properties=parcel.properties), channel.number
    )
    largest = channel.max_content_size
    if len(header) > largest:
        return too_long("metadata", len(header), largest)
    publish = Basic.Publish(
        exchange=parcel.exchange, routing_key=parcel.routing_key, mandatory=True
    )
    pieces = [pamqp.frame.marshal(publish, channel.number), header]
    body = parcel.body
    pieces.extend(
        pamqp.frame.marshal(ContentBody(body[start : start + largest]), channel.number)
        for start in range(0, len(body), largest)
    )
    return b"".join(pieces)
