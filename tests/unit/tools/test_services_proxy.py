"""Connections through the proxy, broken in each way, before a server that says all twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from services.proxy import Proxy
from services.proxy_link import Stream, reset

__all__: list[str] = []

_LIMIT_S = 10.0
_QUIET_S = 0.2
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


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    """A network whose faults are healed and whose connections are reset in the end."""
    made = Network()
    async with _listener(made.serve) as upstream, _listener(made.accept) as proxied:
        made.proxy.upstream_port = upstream
        made.port = proxied
        yield made
        made.proxy.order("heal", None)
        made.proxy.order("cut", None)
        async with asyncio.timeout(_LIMIT_S):
            await made.idle.wait()


@asynccontextmanager
async def _listener(accept: object) -> AsyncIterator[int]:
    server = await asyncio.start_server(accept, "127.0.0.1", 0)  # type: ignore[arg-type]
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _client(network: Network) -> AsyncIterator[Stream]:
    stream = await network.connect()
    try:
        yield stream
    finally:
        reset(stream.writer)
        with suppress(ConnectionError):
            await stream.writer.wait_closed()


async def _say(stream: Stream, text: bytes) -> None:
    stream.writer.write(text)
    await stream.writer.drain()


async def _hear(stream: Stream, size: int) -> bytes:
    async with asyncio.timeout(_LIMIT_S):
        return await stream.reader.readexactly(size)


async def _is_silent(stream: Stream) -> bool:
    try:
        async with asyncio.timeout(_QUIET_S):
            await stream.reader.read(1)
    except TimeoutError:
        return True
    return False


async def _is_reset(stream: Stream) -> bool:
    try:
        async with asyncio.timeout(_LIMIT_S):
            return bool(await stream.reader.read(1)) and False
    except ConnectionResetError:
        return True


async def test_bytes_pass_both_ways(network: Network) -> None:
    """More than any buffer holds, unchanged, and the end of a connection too."""
    sent = bytes(range(256)) * 4096
    async with _client(network) as client, asyncio.TaskGroup() as group:
        group.create_task(_say(client, sent))
        heard = await _hear(client, 2 * len(sent))
        client.writer.write_eof()
        async with asyncio.timeout(_LIMIT_S):
            assert await client.reader.read() == b""

    assert sorted(heard) == sorted(sent * 2)
    assert network.ends == ["closed"]


async def test_cut_resets_once(network: Network) -> None:
    """Both ends see RST; a new connection works."""
    async with _client(network) as client:
        await _say(client, b"a")
        await _hear(client, 2)

        network.proxy.order("cut", None)

        assert await _is_reset(client)
    async with asyncio.timeout(_LIMIT_S):
        await network.ended.wait()
    assert network.ends == ["reset"]
    async with _client(network) as client:
        await _say(client, b"b")
        assert await _hear(client, 2) == b"bb"


async def test_refused_until_healed(network: Network) -> None:
    """Each new connection is reset, then none."""
    network.proxy.order("refuse", None)
    async with _client(network) as client:
        assert await _is_reset(client)

    network.proxy.order("heal", None)

    async with _client(network) as client:
        await _say(client, b"a")
        assert await _hear(client, 2) == b"aa"
    assert network.proxy.order("stats", None)["accepted"] == 2


async def test_delay_does_not_lower_the_throughput(network: Network) -> None:
    """Each direction takes so much longer, however many pieces are under way."""
    network.proxy.order("delay", 0.2)
    async with _client(network) as client:
        began = time.monotonic()
        for _ in range(20):
            await _say(client, b"a")
            await asyncio.sleep(0.005)  # so that each is a piece of its own
        await _hear(client, 40)
        took = time.monotonic() - began

    assert 0.4 <= took < 2.0  # 20 round trips in a row would take 8 s


async def test_throttle_limits_the_rate(network: Network) -> None:
    """1,000 bytes there at 10,000 a second take their time."""
    network.proxy.order("throttle", 10_000)
    async with _client(network) as client:
        began = time.monotonic()
        await _say(client, bytes(1000))
        await _hear(client, 2000)

        assert time.monotonic() - began >= 0.1


async def test_slices_arrive_whole(network: Network) -> None:
    """Byte by byte, in order."""
    network.proxy.order("slice", 1)
    async with _client(network) as client:
        await _say(client, b"abcdef")
        heard = await _hear(client, 12)

    assert sorted(heard) == sorted(b"abcdef" * 2)


async def test_truncate_resets_in_the_middle_of_a_reply(network: Network) -> None:
    """So many bytes pass, then RST; new connections get the same until heal."""
    network.proxy.order("truncate", 3)
    for _ in range(2):
        async with _client(network) as client:
            await _say(client, b"abcd")
            assert await _is_reset_within(client, 3)

    network.proxy.order("heal", None)
    async with _client(network) as client:
        await _say(client, b"abcd")
        assert await _hear(client, 8) == b"abcdabcd"


async def _is_reset_within(stream: Stream, size: int) -> bool:
    """Tell whether no more than `size` bytes come before the reset, which may overtake them."""
    heard = b""
    try:
        async with asyncio.timeout(_LIMIT_S):
            while data := await stream.reader.read(100):
                heard += data
    except ConnectionResetError:
        return len(heard) <= size
    return False


async def test_dropped_replies_leave_the_request_done(network: Network) -> None:
    """The server hears, the client does not; healing resets what has a gap."""
    async with _client(network) as client:
        network.proxy.order("drop-replies", None)
        await _say(client, b"a")
        assert await _is_silent(client)

        network.proxy.order("heal", None)

        assert await _is_reset(client)


async def test_blackhole_holds_everything_until_healed(network: Network) -> None:
    """Old connections and new ones are silent; nothing is lost."""
    async with _client(network) as old:
        await _say(old, b"a")
        await _hear(old, 2)
        network.proxy.order("blackhole", None)
        async with _client(network) as new:
            await _say(old, b"b")
            await _say(new, b"c")
            assert await _is_silent(old)
            assert await _is_silent(new)

            network.proxy.order("heal", None)

            assert await _hear(old, 2) == b"bb"
            assert await _hear(new, 2) == b"cc"


async def test_half_open_is_known_to_the_server_only(network: Network) -> None:
    """Its side is reset at once; the client's is silent until heal; a new one works."""
    async with _client(network) as old:
        await _say(old, b"a")
        await _hear(old, 2)

        network.proxy.order("half-open", None)

        async with asyncio.timeout(_LIMIT_S):
            await network.ended.wait()
        assert network.ends == ["reset"]
        await _say(old, b"b")
        assert await _is_silent(old)
        async with _client(network) as new:
            await _say(new, b"c")
            assert await _hear(new, 2) == b"cc"

            network.proxy.order("heal", None)

            assert await _is_reset(old)
            await _say(new, b"d")
            assert await _hear(new, 2) == b"dd"


async def test_client_of_a_missing_server_is_reset(network: Network) -> None:
    """As if the server's own machine had refused."""
    network.proxy.upstream_port = 1
    async with _client(network) as client:
        assert await _is_reset(client)


async def test_ended_links_are_forgotten(network: Network) -> None:
    """What the client ends is not kept."""
    async with _client(network) as client:
        await _say(client, b"a")
        await _hear(client, 2)
        assert network.proxy.order("stats", None)["links"] == 1

    async with asyncio.timeout(_LIMIT_S):
        await network.idle.wait()
        await network.ended.wait()
    assert network.proxy.order("stats", None)["links"] == 0
    assert network.ends == ["reset"]
