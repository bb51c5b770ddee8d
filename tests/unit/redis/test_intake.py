"""Receiving on a real server: bounds, wake-ups, and what an interruption leaves behind."""

from __future__ import annotations

import asyncio
import time

import pytest

from anymq.errors import ClosedError, TopologyError
from anymq.message import Delivery
from anymq.outcome import ACK, SETTLED, STALE
from anymq_redis.broker import RedisBroker
from tests.unit.redis.bench import CALL_S, Bench
from tests.unit.redis.proxy import Proxy

pytestmark = pytest.mark.server("redis")


async def test_prefetch_bounds_what_has_left_the_server(bench: Bench) -> None:
    """With main and private messages waiting, and one in the middle settled."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    await bench.send(
        broker,
        *(bench.message("t", n) for n in range(20)),
        *(bench.message("t", n, group="g", lane="retry") for n in range(20, 40)),
    )
    member = await bench.member(broker, "t", "g", prefetch=5)

    held = await bench.collect(member, 5)
    assert await member.receive(max_messages=10, wait_s=0.1) == []
    await bench.settle(member, ACK, held[0])
    more = await member.receive(max_messages=10, wait_s=1.0)

    retry = int((await bench.call("XPENDING", f"{{{bench.key('t')}}}.g.retry", "g"))[0])
    assert len(more) == 1
    assert await bench.pending("t", "g") + retry == 5


@pytest.mark.parametrize("prefetch", [1, 2, 7, 50])
async def test_everything_comes_exactly_once_at_any_prefetch(bench: Bench, prefetch: int) -> None:
    """From three partitions and the private stream, in a calm."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", partitions=3)
    member = await bench.member(broker, "t", "g", prefetch=prefetch)
    await bench.send(
        broker,
        *(bench.message("t", n, partition=n % 3) for n in range(60)),
        *(bench.message("t", n, group="g", lane="retry") for n in range(60, 70)),
    )

    seen: list[str] = []
    while len(seen) < 70:
        deliveries = await member.receive(max_messages=64, wait_s=2.0)
        assert 0 < len(deliveries) <= prefetch
        seen += [d.id for d in deliveries]
        assert set(await bench.settle(member, ACK, *deliveries)) == {SETTLED}

    assert sorted(seen) == sorted(f"t-{n}" for n in range(70))


async def test_a_waiting_receive_wakes_for_both_lanes(bench: Bench) -> None:
    """At once for a new message, and for one that concerns the group alone."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")

    for number, address in enumerate([{}, {"group": "g", "lane": "retry"}]):
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(member.receive(max_messages=1, wait_s=CALL_S))
            await asyncio.sleep(0.15)  # well into its wait: that is what is measured
            start = time.monotonic()
            await bench.send(broker, bench.message("t", number, **address))
            await waiting
        assert time.monotonic() - start < 0.05
        await bench.settle(member, ACK, *waiting.result())


@pytest.mark.parametrize("way", ["stop", "aclose"])
async def test_stop_and_close_wake_a_waiting_receive(bench: Bench, way: str) -> None:
    """Within the time of one poll; after stop it is empty, after close it raises."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")

    async def receive() -> list[Delivery] | str:
        try:
            return list(await member.receive(max_messages=1, wait_s=30.0))
        except ClosedError:
            return "closed"

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(receive())
        await asyncio.sleep(0.05)
        start = time.monotonic()
        await (member.stop() if way == "stop" else member.aclose(timeout_s=CALL_S))
        woken = await waiting
        took_s = time.monotonic() - start

    assert took_s < 0.4
    assert woken == ([] if way == "stop" else "closed")
    assert await receive() == woken


async def test_stop_wakes_a_receive_on_a_dead_line(bench: Bench, proxy: Proxy) -> None:
    """A server that says nothing holds up neither stop nor close."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t"))
    await bench.collect(member, 1)
    proxy.passes.clear()

    start = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(member.receive(max_messages=1, wait_s=30.0))
        await asyncio.sleep(0.2)
        await member.stop()
        assert await waiting == []
    await member.aclose(timeout_s=0.5)
    took_s = time.monotonic() - start
    proxy.passes.set()

    assert took_s < 2.0


async def test_a_pause_gives_nothing_and_keeps_what_is_held(bench: Bench) -> None:
    """Deliveries go on after the pause, and what is held can be settled meanwhile."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t", 0))
    (held,) = await bench.collect(member, 1)

    await member.pause()
    await bench.send(broker, bench.message("t", 1))
    assert await member.receive(max_messages=1, wait_s=0.2) == []
    assert list(await bench.settle(member, ACK, held)) == [SETTLED]
    await member.resume()

    assert [d.id for d in await bench.collect(member, 1)] == ["t-1"]


async def test_a_cancelled_receive_loses_nothing(bench: Bench) -> None:
    """Cancelled at any moment: a delivery was returned, or comes with a later receive."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g", prefetch=200)
    seen: list[str] = []

    async def take(wait_s: float) -> None:
        deliveries = await member.receive(max_messages=3, wait_s=wait_s)
        seen.extend(d.id for d in deliveries)

    for n in range(60):
        await bench.send(broker, bench.message("t", n))
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(take(1.0))
            await asyncio.sleep(0.0001 * (n % 12))
            taking.cancel()
    while len(set(seen)) < 60:
        before = len(seen)
        await take(2.0)
        assert len(seen) > before, f"lost: {60 - len(set(seen))}"

    assert len(seen) == 60


async def test_a_reply_lost_on_the_wire_is_found_again(bench: Bench, proxy: Proxy) -> None:
    """The server thinks we have it; after the reconnect we do."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    sender = await bench.broker()
    await bench.send(sender, bench.message("t", 0))
    await bench.settle(member, ACK, *await bench.collect(member, 1))

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(bench.collect(member, 1))
        await asyncio.sleep(0.02)
        proxy.passes.clear()
        await bench.send(sender, bench.message("t", 1))
        await bench.until_pending("t", "g", 1)
        proxy.cut()
        proxy.passes.set()
    (delivery,) = waiting.result()

    assert delivery.id == "t-1"
    assert delivery.redelivered
    assert [e.kind for e in bench.events if e.kind != "connected"] == ["lost", "recovered"]


async def test_what_is_unsettled_at_close_comes_to_another_at_once(bench: Bench) -> None:
    """Uncounted, and the consumer's name is gone from the server."""
    broker = await bench.broker(lease_s=60)
    await bench.declare(broker, "t", "g")
    leaver, stayer = await bench.member(broker, "t", "g"), await bench.member(broker, "t", "g")
    await bench.send(broker, *(bench.message("t", n) for n in range(5)))
    held = await bench.collect(leaver, 5)

    await leaver.aclose(timeout_s=CALL_S)
    start = time.monotonic()
    inherited = await bench.collect(stayer, 5)

    assert time.monotonic() - start < 0.3
    assert sorted(d.id for d in inherited) == sorted(d.id for d in held)
    assert {d.delivery_count for d in inherited} == {1}
    consumers = await bench.call("XINFO", "CONSUMERS", bench.key("t"), "g")
    assert len(consumers) <= 1
    assert set(await bench.settle(leaver, ACK, *held)) == {STALE}


async def test_a_group_that_the_server_lost_is_made_again_from_the_start(bench: Bench) -> None:
    """As after FLUSHALL: degraded is told, and what was sent since is not missed."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    assert await member.receive(max_messages=1, wait_s=0.0) == []
    key = bench.key("t")
    await bench.call("DEL", key, f"{{{key}}}:meta", f"{{{key}}}:groups", f"{{{key}}}.g.retry")
    await bench.call("XADD", key, "*", "body", "since")

    (delivery,) = await bench.collect(member, 1)

    assert delivery.body == b"since"
    assert "degraded" in [event.kind for event in bench.events]
    await bench.send(broker, bench.message("t", group="g"))


async def test_a_deleted_entry_stops_nobody(bench: Bench) -> None:
    """Pending and gone: it is dropped, and the rest goes on."""
    broker = await bench.broker(lease_s=0.3)
    await bench.declare(broker, "t", "g")
    dead = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t", 0), bench.message("t", 1))
    first, second = await bench.collect(dead, 2)
    await bench.call("XDEL", bench.key("t"), first.position)

    heir = await bench.member(broker, "t", "g")

    assert [d.id for d in await bench.collect(heir, 1)] == [second.id]
    assert await heir.receive(max_messages=5, wait_s=0.5) == []


async def test_subscribing_to_what_is_missing_raises(bench: Bench) -> None:
    """Topic or group, at subscription, by name."""
    broker: RedisBroker = await bench.broker()
    await bench.declare(broker, "t", "g")

    with pytest.raises(TopologyError, match="'nowhere'"):
        await bench.member(broker, "nowhere", "g")
    with pytest.raises(TopologyError, match="'nobody'"):
        await bench.member(broker, "t", "nobody")
