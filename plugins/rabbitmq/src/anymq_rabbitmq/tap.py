"""The bytes that arrive: frames of tapped channels are ours, all others aiormq's.

aiormq reads frame by frame through a stream, a queue and a task per delivery. For a channel that
is tapped, deliveries, confirms and returns are taken out of each piece of data as it arrives, all
at once; whatever else comes on it, and all other channels, goes on to aiormq.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Protocol

from anymq_rabbitmq.arrival import Arrival, read_arrival

__all__ = ["Sink", "Tap"]

_HEAD = struct.Struct(">BHI").unpack_from
_CLASS_METHOD = struct.Struct(">HH").unpack_from
_DELIVER, _RETURN, _ACK, _NACK = (60, 60), (60, 50), (60, 80), (60, 120)
_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME = 1, 2, 3
_HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
_SIGN_OF_LIFE_S = 1.0


class Sink(Protocol):
    """Takes what arrives on one channel, on the loop, and must not raise."""

    def delivered(self, arrival: Arrival) -> None:
        """A message for a consumer."""

    def returned(self, arrival: Arrival) -> None:
        """A message that had nowhere to go; its confirm follows."""

    def confirmed(self, tag: int, *, multiple: bool, is_taken: bool) -> None:
        """The server's answer to one publish, or to all up to it."""


class _Channel:
    """Puts together the frames of one channel's contents."""

    __slots__ = ("_arrival", "_is_return", "_missing", "_pieces", "sink")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._arrival: Arrival | None = None
        self._is_return = False
        self._missing = 0
        self._pieces: list[bytes] = []

    def take(self, kind: int, data: bytes, start: int, stop: int) -> bool:
        """Whether the frame with the payload ``data[start:stop]`` is ours."""
        if kind == _METHOD_FRAME:
            return self._take_method(data, start, stop)
        arrival = self._arrival
        if arrival is None:
            return False
        if kind == _HEADER_FRAME:
            arrival.head = data[start:stop]
            self._missing = int.from_bytes(data[start + 4 : start + 12], "big")
        elif kind == _BODY_FRAME:
            self._pieces.append(data[start:stop])
            self._missing -= stop - start
        if self._missing <= 0:
            self._finish(arrival)
        return True

    def _take_method(self, data: bytes, start: int, stop: int) -> bool:
        which = _CLASS_METHOD(data, start)
        if which in (_DELIVER, _RETURN):
            self._is_return = which == _RETURN
            self._arrival = read_arrival(data[start:stop], is_return=self._is_return)
            return True
        if which in (_ACK, _NACK):
            tag = int.from_bytes(data[start + 4 : start + 12], "big")
            multiple = bool(data[start + 12] & 1)
            self.sink.confirmed(tag, multiple=multiple, is_taken=which == _ACK)
            return True
        return False

    def _finish(self, arrival: Arrival) -> None:
        pieces = self._pieces
        if pieces:
            arrival.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._pieces = []
        self._arrival = None
        if self._is_return:
            self.sink.returned(arrival)
        else:
            self.sink.delivered(arrival)


class Tap(asyncio.StreamReaderProtocol):
    """What asyncio hands the bytes of one connection to."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self._channels: dict[int, _Channel] = {}
        self._rest = b""
        self._is_framed: bool | None = None
        """False for a server of another protocol: its bytes are not looked at."""
        self._loop = loop
        self._shown_at = loop.time()
        """When aiormq last saw anything; it takes silence for death."""

    def open(self, number: int, sink: Sink) -> None:
        """Tap a channel, for as long as it is open."""
        self._channels[number] = _Channel(sink)

    def close(self, number: int, sink: Sink) -> None:
        """Let aiormq have a channel's frames again, unless it is somebody else's by now."""
        channel = self._channels.get(number)
        if channel is not None and channel.sink is sink:
            del self._channels[number]

    def data_received(self, data: bytes) -> None:
        if self._is_framed is None:
            self._is_framed = not data.startswith(b"AMQP")
        if not self._is_framed:
            super().data_received(data)
            return
        passed = self._sort(self._rest + data if self._rest else data)
        now = self._loop.time()
        if passed:
            self._shown_at = now
            super().data_received(b"".join(passed))
        elif now - self._shown_at > _SIGN_OF_LIFE_S:
            self._shown_at = now
            super().data_received(_HEARTBEAT)

    def _sort(self, data: bytes) -> list[bytes]:
        """Hand on the tapped channels' frames; the others'. Keeps an incomplete one for later."""
        channels = self._channels
        passed: list[bytes] = []
        at, end = 0, len(data)
        while end - at >= 8:
            kind, number, size = _HEAD(data, at)
            stop = at + 8 + size
            if stop > end:
                break
            channel = channels.get(number)
            if channel is None or not channel.take(kind, data, at + 7, stop - 1):
                passed.append(data[at:stop])
            at = stop
        self._rest = data[at:] if at < end else b""
        return passed
