"""A proxy before a server that says everything twice, and clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from services.proxy import Proxy
from services.proxy_link import Stream, reset

__all__ = [
    "LIMIT_S",
    "QUIET_S",
    "Network",
    "caller",
    "hear",
    "is_reset",
    "is_silent",
    "listener",
    "say",
]

LIMIT_S = 10.0
QUIET_S = 0.2
"""Nothing came in this time: on loopback, whatever was to come would have."""


class Network:
    """A server that says everything twice, a proxy before it, and clients."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.ended = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.proxy = Proxy(0)
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends, and note how it did."""
        try:
            while data := await reader.read(65536):
                writer.write(data * 2)
                await writer.drain()
            self.ends.append("closed")
        except ConnectionError:
            self.ends.append("reset")
        finally:
            self.ended.set()
            writer.close()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let the proxy serve a client, and note when it has none left."""
        self.idle.clear()
        await self.proxy.accept(reader, writer)
        if not self.proxy.links:
            self.idle.set()

    async def connect(self) -> Stream:
        """Open a client's connection."""
        return Stream(*await asyncio.open_connection("127.0.0.1", self.port))


@asynccontextmanager
async def listener(accept: object) -> AsyncIterator[int]:
    """Listen on a free port, which is given."""
    server = await asyncio.start_server(accept, "127.0.0.1", 0)  # type: ignore[arg-type]
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def caller(network: Network) -> AsyncIterator[Stream]:
    """Open a client's connection; reset it in the end, if it is still open."""
    stream = await network.connect()
    try:
        yield stream
    finally:
        reset(stream.writer)
        with suppress(ConnectionError):
            await stream.writer.wait_closed()


async def say(stream: Stream, text: bytes) -> None:
    """Send."""
    stream.writer.write(text)
    await stream.writer.drain()


async def hear(stream: Stream, size: int) -> bytes:
    """Receive so many bytes."""
    async with asyncio.timeout(LIMIT_S):
        return await stream.reader.readexactly(size)


async def is_silent(stream: Stream) -> bool:
    """Tell whether nothing comes, not even an end."""
    try:
        async with asyncio.timeout(QUIET_S):
            await stream.reader.read(1)
    except TimeoutError:
        return True
    return False


async def is_reset(stream: Stream) -> bool:
    """Tell whether the connection ends by RST, with nothing before it."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return bool(await stream.reader.read(1)) and False
    except ConnectionResetError:
        return True
