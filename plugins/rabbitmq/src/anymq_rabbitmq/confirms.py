"""Publishing in batches: one write for many messages, their confirms counted as they come."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from anymq.outcome import CONFIRMED, Rejected, SendResult, Unknown
from anymq_rabbitmq.arrival import Arrival
from anymq_rabbitmq.data_channel import DataChannel
from anymq_rabbitmq.names import too_long
from anymq_rabbitmq.properties import Properties, encode_head, read_head

__all__ = ["Batch", "Confirms", "Parcel"]

_CHUNK_BYTES = 256 * 1024
"""Written in one piece; larger ones would hold the loop and the socket's buffer."""
_FRAME = struct.Struct(">BHI").pack
_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME = 1, 2, 3
_MANDATORY = b"\x01"


@dataclass(slots=True, eq=False)
class Parcel:
    """One message, ready to write."""

    exchange: str
    routing_key: str
    properties: Properties
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


class Confirms:
    """One confirming channel: numbers what is published on it and keeps who waits for which."""

    def __init__(self, channel: DataChannel) -> None:
        self.channel = channel
        self._next = 1
        self._oldest = 1
        self._waiting: dict[int, tuple[Batch, int]] = {}
        channel.tap(self)

    async def write(self, batch: Batch) -> None:
        """Write a batch's parcels in order, behind all that was written before.

        Returns when the socket has taken most of it, nothing is confirmed then. Cancelled: a tail
        may be unwritten. Raises what aiormq does when the channel is closed.
        """
        chunk: list[tuple[int, bytes]] = []
        size = 0
        for index, parcel in enumerate(batch.parcels):
            frames = _frames(self.channel, parcel)
            if isinstance(frames, Rejected):
                batch.answer(index, frames)
                continue
            chunk.append((index, frames))
            size += len(frames)
            if size > _CHUNK_BYTES:
                await self._write_chunk(batch, chunk)
                chunk, size = [], 0
        if chunk:
            await self._write_chunk(batch, chunk)

    async def _write_chunk(self, batch: Batch, chunk: list[tuple[int, bytes]]) -> None:
        self.channel.write(b"".join([frames for _, frames in chunk]))
        for index, _ in chunk:  # the server counts what was written, and nothing else
            self._waiting[self._next] = (batch, index)
            self._next += 1
        await self.channel.drain()

    def confirmed(self, tag: int, *, multiple: bool, is_taken: bool) -> None:
        """A confirm, or a refusal: the queue is full, or failed."""
        result: SendResult = CONFIRMED if is_taken else Rejected("full", "the queue refused it")
        waiting = self._waiting
        if not multiple:
            self._answer(waiting.pop(tag, None), result)
            return
        for number in range(self._oldest, tag + 1):
            self._answer(waiting.pop(number, None), result)
        self._oldest = tag + 1

    def returned(self, arrival: Arrival) -> None:
        """Nothing is bound there. Its confirm follows; of several alike it is the oldest."""
        message_id = read_head(arrival.head)[2]
        for batch, index in self._waiting.values():
            parcel = batch.parcels[index]
            if (
                batch.results[index] is None
                and parcel.properties.message_id == message_id
                and parcel.exchange == arrival.exchange
                and parcel.routing_key == arrival.routing_key
            ):
                batch.answer(index, parcel.unrouted)
                return

    def delivered(self, arrival: Arrival) -> None:
        """Nobody consumes on a channel that publishes."""

    def _answer(self, waiting: tuple[Batch, int] | None, result: SendResult) -> None:
        if waiting is not None:
            batch, index = waiting
            batch.answer(index, result)


def _frames(channel: DataChannel, parcel: Parcel) -> bytes | Rejected:
    number, largest, body = channel.number, channel.max_content_size, parcel.body
    try:
        head = encode_head(parcel.properties, len(body))
    except UnicodeEncodeError as error:
        return Rejected("invalid", f"a header is no valid text: {error.reason}")
    if len(head) > largest:
        return too_long("metadata", len(head), largest)
    pieces = [
        _publish(number, parcel.exchange, parcel.routing_key),
        _FRAME(_HEADER_FRAME, number, len(head)),
        head,
    ]
    if len(body) <= largest:
        if body:
            pieces += (b"\xce", _FRAME(_BODY_FRAME, number, len(body)), body)
    else:
        for start in range(0, len(body), largest):
            part = body[start : start + largest]
            pieces += (b"\xce", _FRAME(_BODY_FRAME, number, len(part)), part)
    pieces.append(b"\xce")
    return b"".join(pieces)


@lru_cache(maxsize=1024)
def _publish(number: int, exchange: str, routing_key: str) -> bytes:
    """The method frame; few differ."""
    to, key = exchange.encode(), routing_key.encode()
    method = b"\x00\x3c\x00\x28\x00\x00" + bytes((len(to),)) + to + bytes((len(key),)) + key
    return _FRAME(_METHOD_FRAME, number, len(method) + 1) + method + _MANDATORY + b"\xce"
