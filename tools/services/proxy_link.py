"""One client's connection through the proxy."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from services.proxy_faults import Faults

__all__ = ["Link", "Stream", "reset"]

_READ_BYTES = 65_536
_QUEUE_ITEMS = 64
"""Pieces under way in one direction; beyond it the sender is slowed down, as by a full pipe."""

_TICK_S = 0.05
"""A throttled connection moves this often."""

_Item = tuple[float, bytes | None]
"""When it may be written, by the loop's clock; no bytes: the end; None: reset by its sender."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(slots=True, eq=False)
class Link:
    """The two connections that belong together, and the bytes on their way between them."""

    client: Stream
    upstream: Stream
    faults: Callable[[], Faults]
    """Gives the faults in force at the moment."""
    is_half_open: bool = False
    """The server has forgotten the connection, and the client does not know."""
    has_lost: bool = False
    """Bytes were thrown away: the connection is worth nothing after `heal`."""
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _open_directions: int = 2
    _replied: int = 0

    async def run(self) -> None:
        """Carry bytes both ways until both ends are done or the link is reset."""
        there: asyncio.Queue[_Item] = asyncio.Queue(_QUEUE_ITEMS)
        back: asyncio.Queue[_Item] = asyncio.Queue(_QUEUE_ITEMS)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = (
                    group.create_task(self._read(self.client.reader, there)),
                    group.create_task(self._read(self.upstream.reader, back)),
                    group.create_task(self._write(there, self.upstream.writer, is_reply=False)),
                    group.create_task(self._write(back, self.client.writer, is_reply=True)),
                )
                await self._ended.wait()
                for task in tasks:
                    task.cancel()
        finally:
            self.client.writer.close()
            self.upstream.writer.close()

    def reset(self) -> None:
        """Send RST to both ends at once; what is under way is lost."""
        reset(self.client.writer)
        reset(self.upstream.writer)
        self._ended.set()

    def close(self) -> None:
        """End both connections in order (FIN), as a server does that shuts down."""
        self._ended.set()

    def go_half_open(self) -> None:
        """Let the server forget the connection while its client hears nothing of it."""
        self.is_half_open = True
        reset(self.upstream.writer)

    async def _read(self, reader: asyncio.StreamReader, queue: asyncio.Queue[_Item]) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            data: bytes | None
            try:
                data = await reader.read(_READ_BYTES)
            except OSError:
                data = None
            await queue.put((clock() + self.faults().delay_s, data))
            if not data:
                return

    async def _write(
        self, queue: asyncio.Queue[_Item], writer: asyncio.StreamWriter, *, is_reply: bool
    ) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await queue.get()
            await asyncio.sleep(due - clock())
            await self.faults().flowing.wait()
            if self.is_half_open:
                if not data and not is_reply:
                    self._ended.set()  # the client gave up
                continue
            if not data:
                self._finish(writer, was_reset=data is None)
                return
            if is_reply and self.faults().drops_replies:
                self.has_lost = True
                continue
            await self._deliver(data, writer, is_reply=is_reply)

    async def _deliver(self, data: bytes, writer: asyncio.StreamWriter, *, is_reply: bool) -> None:
        left = self._budget_left() if is_reply else None
        is_last = left is not None and len(data) >= left
        data = data[:left]
        self._replied += len(data) if is_reply else 0
        try:
            for piece in _slices(data, self._piece_bytes()):
                if rate := self.faults().bytes_per_s:
                    await asyncio.sleep(len(piece) / rate)
                writer.write(piece)
                await writer.drain()
        except OSError:
            self._finish(writer, was_reset=True)
            return
        if is_last:
            self.reset()

    def _piece_bytes(self) -> int:
        """Return how much is written at once; 0 is any number."""
        faults = self.faults()
        if faults.bytes_per_s and not faults.slice_bytes:
            return max(1, int(faults.bytes_per_s * _TICK_S))
        return faults.slice_bytes

    def _budget_left(self) -> int | None:
        """Return how many bytes of replies may still pass; None is any number."""
        budget = self.faults().reply_budget
        if budget is None:
            self._replied = 0  # counted from when a budget is set
            return None
        return max(0, budget - self._replied)

    def _finish(self, writer: asyncio.StreamWriter, *, was_reset: bool) -> None:
        """Pass the end of one direction on."""
        self._open_directions -= 1
        if was_reset and not self.is_half_open:
            self.reset()
        elif self._open_directions == 0:
            self._ended.set()
        elif writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection by RST instead of FIN."""
    connection: socket.socket = writer.get_extra_info("socket")
    if not writer.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _slices(data: bytes, size: int) -> Iterator[bytes]:
    if size <= 0:
        yield data
        return
    for start in range(0, len(data), size):
        yield data[start : start + size]
