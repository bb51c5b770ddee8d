"""Connections through the proxy, broken in each way."""

from __future__ import annotations

import asyncio
import time

from services.proxy_link import Stream

from tests.unit.tools.network import LIMIT_S, Network, caller, hear, is_reset, is_silent, say

__all__: list[str] = []


async def test_bytes_pass_both_ways(network: Network) -> None:
    """More than any buffer holds, unchanged, and the end of a connection too."""
    sent = bytes(range(256)) * 4096
    async with caller(network) as client, asyncio.TaskGroup() as group:
        group.create_task(say(client, sent))
        heard = await hear(client, 2 * len(sent))
        client.writer.write_eof()
        async with asyncio.timeout(LIMIT_S):
            assert await client.reader.read() == b""

    assert sorted(heard) == sorted(sent * 2)
    assert network.ends == ["closed"]


async def test_cut_resets_once(network: Network) -> None:
    """Both ends see RST; a new connection works."""
    async with caller(network) as client:
        await say(client, b"a")
        await hear(client, 2)

        network.proxy.order("cut", None)

        assert await is_reset(client)
    async with asyncio.timeout(LIMIT_S):
        await network.ended.wait()
    assert network.ends == ["reset"]
    async with caller(network) as client:
        await say(client, b"b")
        assert await hear(client, 2) == b"bb"


async def test_server_closes_in_order(network: Network) -> None:
    """Both ends see the end of the stream and no reset; a new connection works."""
    async with caller(network) as client:
        await say(client, b"a")
        await hear(client, 2)

        network.proxy.order("close", None)

        async with asyncio.timeout(LIMIT_S):
            assert await client.reader.read() == b""
            await network.ended.wait()
    assert network.ends == ["closed"]
    async with caller(network) as client:
        await say(client, b"b")
        assert await hear(client, 2) == b"bb"


async def test_refused_until_healed(network: Network) -> None:
    """Each new connection is reset, then none."""
    network.proxy.order("refuse", None)
    async with caller(network) as client:
        assert await is_reset(client)

    network.proxy.order("heal", None)

    async with caller(network) as client:
        await say(client, b"a")
        assert await hear(client, 2) == b"aa"
    assert network.proxy.order("stats", None)["accepted"] == 2


async def test_delay_does_not_lower_the_throughput(network: Network) -> None:
    """Each direction takes so much longer, however many pieces are under way."""
    network.proxy.order("delay", 0.2)
    async with caller(network) as client:
        began = time.monotonic()
        for _ in range(20):
            await say(client, b"a")
            await asyncio.sleep(0.005)  # so that each is a piece of its own
        await hear(client, 40)
        took = time.monotonic() - began

    assert 0.4 <= took < 2.0  # 20 round trips in a row would take 8 s


async def test_throttle_limits_the_rate(network: Network) -> None:
    """1,000 bytes there at 10,000 a second take their time."""
    network.proxy.order("throttle", 10_000)
    async with caller(network) as client:
        began = time.monotonic()
        await say(client, bytes(1000))
        await hear(client, 2000)

        assert time.monotonic() - began >= 0.1


async def test_slices_arrive_whole(network: Network) -> None:
    """Byte by byte, in order."""
    network.proxy.order("slice", 1)
    async with caller(network) as client:
        await say(client, b"abcdef")
        heard = await hear(client, 12)

    assert sorted(heard) == sorted(b"abcdef" * 2)


async def test_truncate_resets_in_the_middle_of_a_reply(network: Network) -> None:
    """So many bytes pass, then RST; new connections get the same until heal."""
    network.proxy.order("truncate", 3)
    for _ in range(2):
        async with caller(network) as client:
            await say(client, b"abcd")
            assert await _is_reset_within(client, 3)

    network.proxy.order("heal", None)
    async with caller(network) as client:
        await say(client, b"abcd")
        assert await hear(client, 8) == b"abcdabcd"


async def _is_reset_within(stream: Stream, size: int) -> bool:
    """Tell whether no more than `size` bytes come before the reset, which may overtake them."""
    heard = b""
    try:
        async with asyncio.timeout(LIMIT_S):
            while data := await stream.reader.read(100):
                heard += data
    except ConnectionResetError:
        return len(heard) <= size
    return False


async def test_dropped_replies_leave_the_request_done(network: Network) -> None:
    """The server hears, the client does not; healing resets what has a gap."""
    async with caller(network) as client:
        network.proxy.order("drop-replies", None)
        await say(client, b"a")
        assert await is_silent(client)

        network.proxy.order("heal", None)

        assert await is_reset(client)


async def test_blackhole_holds_everything_until_healed(network: Network) -> None:
    """Old connections and new ones are silent; nothing is lost."""
    async with caller(network) as old:
        await say(old, b"a")
        await hear(old, 2)
        network.proxy.order("blackhole", None)
        async with caller(network) as new:
            await say(old, b"b")
            await say(new, b"c")
            assert await is_silent(old)
            assert await is_silent(new)

            network.proxy.order("heal", None)

            assert await hear(old, 2) == b"bb"
            assert await hear(new, 2) == b"cc"


async def test_half_open_is_known_to_the_server_only(network: Network) -> None:
    """Its side is reset at once; the client's is silent until heal; a new one works."""
    async with caller(network) as old:
        await say(old, b"a")
        await hear(old, 2)

        network.proxy.order("half-open", None)

        async with asyncio.timeout(LIMIT_S):
            await network.ended.wait()
        assert network.ends == ["reset"]
        await say(old, b"b")
        assert await is_silent(old)
        async with caller(network) as new:
            await say(new, b"c")
            assert await hear(new, 2) == b"cc"

            network.proxy.order("heal", None)

            assert await is_reset(old)
            await say(new, b"d")
            assert await hear(new, 2) == b"dd"


async def test_client_of_a_missing_server_is_reset(network: Network) -> None:
    """As if the server's own machine had refused."""
    network.proxy.upstream_port = 1
    async with caller(network) as client:
        assert await is_reset(client)


async def test_ended_links_are_forgotten(network: Network) -> None:
    """What the client ends is not kept."""
    async with caller(network) as client:
        await say(client, b"a")
        await hear(client, 2)
        assert network.proxy.order("stats", None)["links"] == 1

    async with asyncio.timeout(LIMIT_S):
        await network.idle.wait()
        await network.ended.wait()
    assert network.proxy.order("stats", None)["links"] == 0
    assert network.ends == ["reset"]
