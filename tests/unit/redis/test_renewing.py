"""What the server lost, or did although it could not say so: found out, and made good."""

from __future__ import annotations

import asyncio

import pytest

from anymq.abc import StreamSpec
from anymq.abc.stream import Earliest
from anymq.outcome import ACK, Confirmed, Rejected, Unknown
from anymq.topology import GroupSpec, Topology, TopologyMode
from tests.unit.redis.bench import CALL_S, Bench
from tests.unit.redis.proxy import Proxy

pytestmark = pytest.mark.server("redis")


async def _wipe(bench: Bench) -> None:
    keys = await bench.call("KEYS", f"*{bench.namespace}*")
    await bench.call("UNLINK", *keys)


async def test_what_this_process_declared_is_made_again(bench: Bench) -> None:
    """By the next send: the topic, its groups, those of patterns; and it is told."""
    broker, other = await bench.broker(), await bench.broker()
    await bench.declare(broker, "t", "g", partitions=2)
    pattern = Topology((), (GroupSpec("t*", "wild"), GroupSpec("*", "any")))
    await broker.declare(pattern, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    await _wipe(bench)
    messages = [bench.message("t", 0), bench.message("nowhere", 1), bench.message("t", 2)]

    strange = await other.send(messages[:1], timeout_s=CALL_S)
    results = await broker.send(messages, timeout_s=CALL_S)

    assert isinstance(strange[0], Rejected)
    assert [type(result) for result in results] == [Confirmed, Rejected, Confirmed]
    assert "degraded" in [event.kind for event in bench.events]
    groups = {s.name: s.ready for s in await broker.management().groups("t")}
    assert groups == {"any": 2, "g": 2}


async def test_an_atomic_batch_is_made_good_as_a_whole(bench: Bench) -> None:
    """All or none of it, after the loss as before."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    await _wipe(bench)
    messages = [bench.message("t", n) for n in range(3)]

    results = await broker.send(messages, timeout_s=CALL_S, atomic=True)

    assert [type(result) for result in results] == [Confirmed] * 3
    assert await bench.call("XLEN", bench.key("t")) == 3


async def test_groups_that_a_restart_lost_get_what_was_sent_before_it_was_known(
    bench: Bench, proxy: Proxy
) -> None:
    """Somebody else made the topic again; the group that is missing begins with what is there."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    other = await bench.broker()
    await bench.declare(broker, "t", "mine")
    await bench.send(broker, bench.message("t", 0))
    await _wipe(bench)
    await bench.declare(other, "t", "theirs")
    await bench.send(other, bench.message("t", 1))
    proxy.cut()

    while not isinstance(
        (await broker.send([bench.message("t", 2)], timeout_s=CALL_S))[0], Confirmed
    ):
        pass  # the cut may be seen first by what is sent

    member = await bench.member(broker, "t", "mine")
    assert [d.id for d in await bench.collect(member, 2)] == ["t-1", "t-2"]


async def test_a_running_member_goes_on_after_a_loss(bench: Bench) -> None:
    """Also one that reads owned partitions alone."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", partitions=2)
    members = [await bench.member(broker, "t", "g"), await bench.member(broker, "t", None)]
    members.append(await bench.member(broker, "t", None, order="key"))
    for member in members:
        await member.receive(max_messages=1, wait_s=0.0)
    await _wipe(bench)
    await bench.send(broker, *(bench.message("t", n, partition=n) for n in range(2)))

    for member in members:
        found = await bench.collect(member, 2)
        await bench.settle(member, ACK, *found)
        assert sorted(d.id for d in found) == ["t-0", "t-1"]


async def test_a_stream_that_was_lost_is_made_again(bench: Bench) -> None:
    """By the next append, and by the next reader."""
    stream = await bench.stream()
    specs = [StreamSpec("s", partitions=2), StreamSpec("other")]
    await stream.declare(specs, mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    await _wipe(bench)

    results = await stream.append([bench.message("s", 0)], timeout_s=CALL_S)
    reader = await stream.reader("s", Earliest(), follow=False, prefetch=9)
    records = await reader.receive(max_records=9, wait_s=CALL_S)
    await _wipe(bench)

    assert [type(result) for result in results] == [Confirmed]
    assert [record.message.id for record in records] == ["s-0"]
    assert await stream.ends("other") == "0-0"


async def test_f21_a_lost_reply_leaves_one_record(bench: Bench, proxy: Proxy) -> None:
    """What was appended while its reply was lost is confirmed, not appended, when repeated."""
    stream = await bench.stream(host="127.0.0.1", port=proxy.port)
    await stream.declare([StreamSpec("s")], mode=TopologyMode.MANAGE, timeout_s=CALL_S)
    await stream.append([bench.message("s", 0)], timeout_s=CALL_S)
    again = [bench.message("s", 1), bench.message("nowhere", 2), bench.message("s", 3)]

    proxy.passes.clear()
    lost = await stream.append(again, timeout_s=0.3)
    proxy.cut()
    proxy.passes.set()
    found = await stream.append([*again, bench.message("s", 4)], timeout_s=CALL_S)

    assert [type(result) for result in lost] == [Unknown] * 3
    assert [type(result) for result in found] == [Confirmed, Rejected, Confirmed, Confirmed]
    reader = await stream.reader("s", Earliest(), follow=False, prefetch=9)
    records = await reader.receive(max_records=9, wait_s=CALL_S)
    assert [record.message.id for record in records] == ["s-0", "s-1", "s-3", "s-4"]


async def test_a_reader_that_hears_nothing_makes_health_say_so(bench: Bench, proxy: Proxy) -> None:
    """Though the server answers elsewhere; and it ends when it reads again, or rests."""
    through = bench.options(host="127.0.0.1", port=proxy.port, request_timeout_s=0.3)
    broker = await bench.broker(**through.model_dump(include={"host", "port", "request_timeout_s"}))
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await member.receive(max_messages=1, wait_s=0.0)

    proxy.passes.clear()
    assert await member.receive(max_messages=1, wait_s=0.5) == []
    down = asyncio.get_running_loop().time()
    silent = await broker.health()
    proxy.passes.set()
    await member.receive(max_messages=1, wait_s=0.1)

    assert asyncio.get_running_loop().time() - down < 4
    assert silent.status == "down"
    assert (await broker.health()).status == "up"
