"""A TCP proxy on the loopback that can hold back replies and cut connections."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

__all__ = ["Proxy"]

CLOSE_S = 2.0


class Proxy:
    """Forwards both ways. While ``passes`` is clear, no reply comes back (requests do go out)."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[StreamWriter] = set()
        self.passes = asyncio.Event()
        self.passes.set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def cut(self) -> None:
        """Drop every connection."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def aclose(self) -> None:
        """Cut everything and stop listening."""
        assert self._server is not None
        self.passes.set()
        self._server.close()
        self.cut()
        async with asyncio.timeout(CLOSE_S):
            await self._server.wait_closed()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        ours = {writer, up_writer}
        self._writers |= ours
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, up_writer, holds=False))
                both.create_task(self._pump(up_reader, writer, holds=True))
        except* OSError:
            pass
        finally:
            self._writers -= ours
            for one in ours:
                one.transport.abort()

    async def _pump(self, source: StreamReader, sink: StreamWriter, *, holds: bool) -> None:
        while data := await source.read(65536):
            if holds:
                await self.passes.wait()
            sink.write(data)
            await sink.drain()
        sink.close()
