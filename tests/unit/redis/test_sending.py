"""Sending on a real server."""

from __future__ import annotations

import time

import pytest

from anymq.errors import ClosedError
from anymq.outcome import ACK, CONFIRMED, Confirmed, Rejected, Unknown
from tests.unit.redis.bench import CALL_S, Bench
from tests.unit.redis.proxy import Proxy

pytestmark = pytest.mark.server("redis")


async def test_a_confirmed_position_is_the_deliverys(bench: Bench) -> None:
    """On every partition, so that a position can be looked up."""
    broker = await bench.broker()
    await bench.declare(broker, "many", "g", partitions=3)
    member = await bench.member(broker, "many", "g")
    messages = [bench.message("many", n, partition=n) for n in range(3)]

    results = await broker.send(messages, timeout_s=CALL_S)
    deliveries = await bench.collect(member, 3)

    sent = {m.id: r.position for m, r in zip(messages, results, strict=True)}  # type: ignore[union-attr]
    assert sent == {d.id: d.position for d in deliveries}
    assert {d.partition for d in deliveries} == {0, 1, 2}


async def test_an_unsendable_entry_hides_no_other(bench: Bench) -> None:
    """Half a character, or thousands of headers, concern that message alone."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    wild = bench.message("t", 1, headers={"x": "\ud800"})
    heavy = bench.message("t", 2, headers={f"h{i}": "" for i in range(5000)})

    results = await broker.send([bench.message("t"), wild, heavy], timeout_s=CALL_S)

    assert isinstance(results[0], Confirmed)
    assert [getattr(r, "code", None) for r in results[1:]] == ["invalid", "invalid"]
    assert await bench.call("XLEN", bench.key("t")) == 1


async def test_a_group_that_is_not_declared_takes_nothing(bench: Bench) -> None:
    """A private address needs its group, as a topic needs its declaration."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")

    (result,) = await broker.send([bench.message("t", group="other")], timeout_s=CALL_S)

    assert isinstance(result, Rejected)
    assert result.code == "not_found"


async def test_a_key_of_another_type_rejects_that_entry(bench: Bench) -> None:
    """Somebody else's key under the topic's name is told, not overwritten."""
    broker = await bench.broker()
    await bench.declare(broker, "taken")
    await bench.declare(broker, "free")
    await bench.call("SET", bench.key("taken"), "mine")

    results = await broker.send([bench.message("taken"), bench.message("free")], timeout_s=CALL_S)

    assert isinstance(results[0], Rejected)
    assert isinstance(results[1], Confirmed)
    assert await bench.call("GET", bench.key("taken")) == b"mine"


@pytest.mark.exclusive
async def test_a_delayed_message_is_never_early_and_hardly_late(bench: Bench) -> None:
    """For every group, and for one alone; at most 100 ms late while somebody waits."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", "h")
    member, other = await bench.member(broker, "t", "g"), await bench.member(broker, "t", "h")
    due = time.time() + 0.5
    public = bench.message("t", 1, due_at=due)
    private = bench.message("t", 2, group="g", lane="retry", due_at=due + 0.2)

    assert list(await broker.send([public, private], timeout_s=CALL_S)) == [CONFIRMED, CONFIRMED]
    lateness = {}
    while len(lateness) < 2:
        for delivery in await member.receive(max_messages=5, wait_s=2.0):
            lateness[delivery.id] = time.time() - due
            await bench.settle(member, ACK, delivery)

    assert 0 <= lateness["t-1"] <= 0.1
    assert 0.2 <= lateness["t-2"] <= 0.3
    assert [d.id for d in await bench.collect(other, 1)] == ["t-1"]
    assert not await other.receive(max_messages=5, wait_s=0.1)


async def test_no_answer_is_unknown_in_time_and_the_next_send_works(
    bench: Bench, proxy: Proxy
) -> None:
    """A black hole costs the time given, not the client library's minute."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    await bench.declare(broker, "t", "g")
    await bench.send(broker, bench.message("t", 0))
    proxy.passes.clear()

    start = time.monotonic()
    (result,) = await broker.send([bench.message("t", 1)], timeout_s=0.3)
    took_s = time.monotonic() - start
    proxy.passes.set()
    await bench.send(broker, bench.message("t", 2))

    assert isinstance(result, Unknown)
    assert took_s < 0.8
    assert [event.kind for event in bench.events] == ["connected", "lost", "recovered"]
    # Sent once, not eleven times: nobody but core repeats.
    assert await bench.call("XLEN", bench.key("t")) == 3


async def test_a_cut_connection_is_noticed_before_it_is_used(bench: Bench, proxy: Proxy) -> None:
    """An idle connection that the server dropped costs no unknown outcome."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    await bench.declare(broker, "t", "g")
    await bench.send(broker, bench.message("t", 0))
    proxy.cut()
    await bench.call("PING")

    await bench.send(broker, bench.message("t", 1))


async def test_scripts_come_back_after_the_server_forgot_them(bench: Bench) -> None:
    """A failover or a flush of the scripts is nothing that callers see."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    await bench.call("SCRIPT", "FLUSH")

    await bench.send(broker, bench.message("t"))


async def test_send_after_close_raises(bench: Bench) -> None:
    """Closed is closed."""
    broker = await bench.broker()
    await broker.aclose(timeout_s=1.0)

    with pytest.raises(ClosedError):
        await broker.send([bench.message("t")], timeout_s=1.0)


async def test_f21_a_lost_reply_leaves_one_entry(bench: Bench, proxy: Proxy) -> None:
    """What was stored while its reply was lost is confirmed, not stored, when it is repeated."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    await bench.declare(broker, "t", "g")
    await bench.send(broker, bench.message("t", 0))
    again = [bench.message("t", 1), bench.message("nowhere", 2), bench.message("t", 3)]

    proxy.passes.clear()
    lost = await broker.send(again, timeout_s=0.3)
    proxy.cut()
    proxy.passes.set()
    found = await broker.send([*again, bench.message("t", 4)], timeout_s=CALL_S)
    twice = await broker.send(again[:1], timeout_s=CALL_S)

    assert [type(result) for result in lost] == [Unknown] * 3
    assert [type(result) for result in found] == [Confirmed, Rejected, Confirmed, Confirmed]
    assert isinstance(twice[0], Confirmed)
    # 0, 1, 3 and 4 once, and 1 again where somebody sent it anew.
    assert await bench.call("XLEN", bench.key("t")) == 5


async def test_f21_what_was_not_carried_out_is_sent(bench: Bench, proxy: Proxy) -> None:
    """A call that never arrived is no reason to confirm anything."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    await bench.declare(broker, "t", "g")
    await bench.send(broker, bench.message("t", 0))
    await bench.call("CLIENT", "PAUSE", 600, "WRITE")

    lost = await broker.send([bench.message("t", 1)], timeout_s=0.2)
    found = await broker.send([bench.message("t", 1)], timeout_s=CALL_S)

    assert isinstance(lost[0], Unknown)
    assert isinstance(found[0], Confirmed)
    assert await bench.call("XLEN", bench.key("t")) == 2
