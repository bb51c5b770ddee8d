"""Opening: what is found out about the server, and what stops the start."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from anymq.capabilities import CAPABILITY_NAMES, Durability, Support
from anymq.errors import AccessDenied, BackendUnavailable, ConfigError
from anymq_redis.broker import RedisBroker
from tests.unit.redis.bench import Bench
from tests.unit.redis.own_server import own_server
from tests.unit.redis.proxy import Proxy

pytestmark = pytest.mark.server("redis")


async def test_open_tells_what_the_server_really_is(bench: Bench) -> None:
    """Product, version and durability come from the server."""
    broker = RedisBroker(bench.options(lease_s=12), bench.context)

    capabilities = await broker.open(bench.events.append)
    health = await broker.health()
    await broker.aclose(timeout_s=1.0)

    info = (await bench.call("INFO", "persistence")).decode()
    is_kept = "aof_enabled:1" in info
    assert capabilities.server.startswith(("Redis ", "Valkey "))
    assert (capabilities.durability is not Durability.NONE) == is_kept
    assert (capabilities.level("persistent") is Support.NATIVE) == is_kept
    assert capabilities.lease_s == 12
    assert set(capabilities.support) <= set(CAPABILITY_NAMES)
    assert health.status == ("up" if is_kept else "degraded")


async def test_nobody_there_is_told_in_time(bench: Bench) -> None:
    """At once where the port is closed; health never raises."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    broker = RedisBroker(bench.options(host="127.0.0.1", port=port), bench.context)

    with pytest.raises(BackendUnavailable, match=str(port)):
        await broker.open(bench.events.append)
    assert (await broker.health()).status == "down"
    assert bench.events == []
    await broker.aclose(timeout_s=1.0)


async def test_a_silent_server_is_told_within_the_connect_timeout(
    bench: Bench, proxy: Proxy
) -> None:
    """Something listens and says nothing."""
    proxy.passes.clear()
    options = bench.options(host="127.0.0.1", port=proxy.port, connect_timeout_s=0.3)
    broker = RedisBroker(options, bench.context)

    start = time.monotonic()
    with pytest.raises(BackendUnavailable):
        await broker.open(bench.events.append)
    assert time.monotonic() - start < 0.8
    start = time.monotonic()
    health = await broker.health()
    assert (health.status, time.monotonic() - start < 2.0) == ("down", True)
    await broker.aclose(timeout_s=1.0)


async def test_a_wrong_password_is_denied_and_never_shown(bench: Bench) -> None:
    """Fatal, not tried again; neither error nor health holds the secret."""
    broker = RedisBroker(bench.options(username="nobody", password="hunter2-secret"), bench.context)

    with pytest.raises(AccessDenied) as caught:
        await broker.open(bench.events.append)
    health = await broker.health()
    await broker.aclose(timeout_s=1.0)

    assert health.status == "down"
    assert "hunter2" not in f"{caught.value!r} {caught.value} {health!r} {bench.options()!r}"


async def test_a_database_that_does_not_exist_stops_the_start(bench: Bench) -> None:
    """As a mistake of configuration."""
    broker = RedisBroker(bench.options(path="9999"), bench.context)

    with pytest.raises(ConfigError, match="DB index"):
        await broker.open(bench.events.append)
    await broker.aclose(timeout_s=1.0)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"appendonly": "no"}, "appendonly"),
        ({"appendonly": "yes", "maxmemory_policy": "allkeys-lru"}, "maxmemory-policy allkeys-lru"),
    ],
)
async def test_a_server_that_is_set_up_to_lose_messages_stops_the_start(
    bench: Bench, tmp_path: Path, setting: dict[str, str], text: str
) -> None:
    """The error names the setting, also where the user may not ask for settings."""
    async with own_server(tmp_path, **setting) as socket_path:
        limited = {"username": "app", "password": "secret"}
        for login in ({}, limited):
            options = bench.options(host=socket_path, port=None, **{"path": "0"} | login)
            broker = RedisBroker(options, bench.context)
            with pytest.raises(ConfigError, match=text):
                await broker.open(bench.events.append)
            await broker.aclose(timeout_s=1.0)


async def test_what_a_volatile_server_lacks_is_told_where_that_is_accepted(
    bench: Bench, tmp_path: Path
) -> None:
    """By a unix socket: nothing persists, so no topic may ask for it."""
    async with own_server(tmp_path, appendonly="no") as socket_path:
        options = bench.options(host=socket_path, port=None, path="0", accept_volatile=True)
        broker = RedisBroker(options, bench.context)
        capabilities = await broker.open(bench.events.append)
        health = await broker.health()
        await broker.aclose(timeout_s=1.0)

    assert capabilities.durability is Durability.NONE
    assert capabilities.level("persistent") is Support.UNSUPPORTED
    assert health.status == "degraded"


async def test_the_native_client_reaches_the_same_server(bench: Bench) -> None:
    """Made when it is asked for, and closed with the broker; other types are not there."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")

    client = broker.native(Redis)
    assert client is not None
    assert broker.native(Redis) is client
    assert broker.native(dict) is None
    assert await client.xadd(bench.key("t"), {"body": "x"})
    await broker.aclose(timeout_s=1.0)

    assert b"name=bench-native" not in await bench.call("CLIENT", "LIST")
