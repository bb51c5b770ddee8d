"""A Redis that is full, that stalls, or that drops everybody: told as it is, and nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anymq.outcome import (
    ACK,
    RELEASE,
    SETTLED,
    Confirmed,
    DeadLetter,
    Rejected,
    Retry,
    SendResult,
    Unknown,
)
from anymq_redis.broker import RedisBroker
from anymq_redis.condition import Condition
from anymq_redis.link import Link
from anymq_redis.subscription import RedisSubscription
from tests.unit.redis.bench import CALL_S, Bench
from tests.unit.redis.own_server import own_server

pytestmark = pytest.mark.server("redis")

OUTCOMES = (ACK, DeadLetter("bad"), RELEASE, Retry(0.0), Retry(0.2))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """On a server of this test's own."""
    async with own_server(tmp_path, appendonly="yes", appendfsync="everysec") as path:
        bench = OwnBench(path)
        try:
            yield bench
        finally:
            await bench.aclose()


class OwnBench(Bench):
    """By a unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        super().__init__("redis://localhost", "own")

    def options(self, **more: Any) -> Any:
        return super().options(**{"host": self._path, "port": None, "path": "0"} | more)


@asynccontextmanager
async def _other_link(bench: Bench) -> AsyncIterator[Link]:
    """A connection beside the bench's own, which may be paused or killed with all others."""
    link = Link(bench.options(), Condition("other"), name="other")
    try:
        yield link
    finally:
        await link.aclose()


async def _fill(bench: Bench, broker: RedisBroker) -> int:
    """Send until the server takes no more; how many it confirmed."""
    confirmed, number = 0, 0
    while True:
        batch = [bench.message("t", n, body=b"x" * 10_000) for n in range(number, number + 50)]
        results = await broker.send(batch, timeout_s=CALL_S)
        number += len(batch)
        confirmed += sum(isinstance(result, Confirmed) for result in results)
        if any(isinstance(result, Rejected) for result in results):
            assert {r.code for r in results if isinstance(r, Rejected)} == {"full"}
            return confirmed


async def _drain(bench: Bench, member: RedisSubscription, count: int) -> set[str]:
    seen: set[str] = set()
    while len(seen) < count:
        found = await bench.collect(member, 1, within_s=2 * CALL_S)
        found += await member.receive(max_messages=90, wait_s=0.0)
        await bench.settle(member, ACK, *found)
        seen |= {delivery.id for delivery in found}
    return seen


@pytest.mark.parametrize("order", ["none", "key"])
async def test_f32_a_full_server_rejects_and_is_consumed_further(bench: Bench, order: str) -> None:
    """`full`, never unknown; consuming goes on past the leases, and makes room again."""
    broker = await bench.broker(lease_s=0.5)
    await bench.declare(broker, "t", "g")
    member = await bench.member(
        broker, "t", "g", order="key" if order == "key" else "none", prefetch=5
    )
    await bench.call("CONFIG", "SET", "maxmemory", "12mb")
    confirmed = await _fill(bench, broker)
    assert confirmed > 100
    held = await bench.collect(member, 5)
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < began + 1.2:
        assert await member.keep(held) == []
        assert await member.receive(max_messages=1, wait_s=0.1) == []

    for delivery, outcome in zip(held, OUTCOMES, strict=True):
        assert await bench.settle(member, outcome, delivery) == [SETTLED]
    await member.aclose(timeout_s=CALL_S)
    member = await bench.member(broker, "t", "g", order="key" if order == "key" else "none")
    seen = await _drain(bench, member, confirmed - 2)
    assert {delivery.id for delivery in held} - seen == {held[0].id, held[1].id}

    async def makes_room() -> SendResult:
        await member.receive(max_messages=1, wait_s=0.2)
        (result,) = await broker.send([bench.message("t", 10**6)], timeout_s=CALL_S)
        return result

    async with asyncio.timeout(CALL_S):
        while not isinstance(await makes_room(), Confirmed):
            pass


async def test_f33_a_server_that_stalls_three_seconds_is_not_down(bench: Bench) -> None:
    """Sends wait for it, members go on, nothing comes twice."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t", 0))
    async with _other_link(bench) as other:
        await other.call("CLIENT", "PAUSE", 3000, "ALL", timeout_s=CALL_S)

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(broker.send([bench.message("t", 1)], timeout_s=CALL_S))
        receiving = tasks.create_task(bench.collect(member, 2))
        states = [(await broker.health()).status for _ in range(2)]

    assert "down" not in states
    assert isinstance(sending.result()[0], Confirmed)
    assert sorted(delivery.id for delivery in receiving.result()) == ["t-0", "t-1"]
    assert bench.lost == []


async def test_f17_connections_that_the_server_kills_lose_nothing(bench: Bench) -> None:
    """Under load, ten times: every message once in the stream, every one handled."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    seen: set[str] = set()

    async def publish() -> None:
        for number in range(200):
            message = bench.message("t", number)
            while isinstance((await broker.send([message], timeout_s=CALL_S))[0], Unknown):
                pass

    async def consume() -> None:
        while len(seen) < 200:
            found = await member.receive(max_messages=50, wait_s=0.5)
            await bench.settle(member, ACK, *found)
            seen.update(delivery.id for delivery in found)

    async def kill() -> None:
        async with _other_link(bench) as other:
            for times in range(1, 11):
                while len(seen) < 15 * times:  # noqa: ASYNC110  # the load is under way
                    await asyncio.sleep(0.001)
                await other.call("CLIENT", "KILL", "TYPE", "normal", timeout_s=CALL_S)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        for work in (publish, consume, kill):
            tasks.create_task(work())

    assert seen == {f"t-{number}" for number in range(200)}
    entries = await bench.call("XRANGE", bench.key("t"), "-", "+")
    ids = [fields[fields.index(b"anymq-id") + 1] for _, fields in entries]
    assert len(ids) == len(set(ids))
