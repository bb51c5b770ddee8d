"""Settling on a real server."""

from __future__ import annotations

import dataclasses
import time

import pytest

from anymq.message import Message
from anymq.outcome import (
    ACK,
    RELEASE,
    SETTLED,
    STALE,
    DeadLetter,
    Retry,
    Settlement,
    SettleUnknown,
)
from tests.unit.redis.bench import CALL_S, Bench
from tests.unit.redis.proxy import Proxy

pytestmark = pytest.mark.server("redis")


def _again(message: Message) -> Message:
    return dataclasses.replace(message, attempt=message.attempt + 1)


async def test_acks_empty_the_pending_list_in_one_call(bench: Bench) -> None:
    """Few or many, each is settled once and stale afterwards."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, *(bench.message("t", n) for n in range(30)))
    deliveries = await bench.collect(member, 30)

    first = await bench.settle(member, ACK, *deliveries[:3])
    rest = await bench.settle(member, ACK, *deliveries)

    assert list(first) == [SETTLED] * 3
    assert list(rest) == [STALE] * 3 + [SETTLED] * 27
    assert await bench.pending("t", "g") == 0


async def test_a_release_comes_back_at_once_and_uncounted(bench: Bench) -> None:
    """To whoever waits; its bytes, id and delivery count are as before."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", "h")
    member = await bench.member(broker, "t", "g")
    await bench.call("XADD", bench.key("t"), "*", "body", "foreign")
    (first,) = await bench.collect(member, 1)

    for _ in range(3):
        (delivery,) = await bench.collect(member, 1) if first.token.is_over else (first,)
        assert list(await bench.settle(member, RELEASE, delivery)) == [SETTLED]
    start = time.monotonic()
    (again,) = await bench.collect(member, 1)

    assert time.monotonic() - start < 0.1
    assert (again.id, again.body, again.delivery_count) == (first.id, b"foreign", 1)
    assert again.redelivered
    assert not again.message.meta
    await bench.settle(member, ACK, again)
    assert await bench.call("XLEN", f"{{{bench.key('t')}}}.g.retry") == 0


async def test_a_retry_keeps_the_new_message_in_place_of_the_old(bench: Bench) -> None:
    """Without a delay at once, with one not before; never both old and new."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t"))
    (first,) = await bench.collect(member, 1)

    item = Settlement(first, Retry(0.0), _again(first.message))
    assert list(await member.settle([item], timeout_s=CALL_S)) == [SETTLED]
    (second,) = await bench.collect(member, 1)
    start = time.time()
    item = Settlement(second, Retry(0.3), _again(second.message))
    assert list(await member.settle([item], timeout_s=CALL_S)) == [SETTLED]
    (third,) = await bench.collect(member, 1)

    assert 0.3 <= time.time() - start < 0.5
    assert [d.attempt for d in (first, second, third)] == [1, 2, 3]
    assert third.message.lane == "retry"
    assert third.redelivered
    assert await bench.pending("t", "g") == 0


async def test_a_dead_letter_moves_in_one_step(bench: Bench) -> None:
    """Settled in the group and kept in its dead stream, with its bytes."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t", 7))
    (delivery,) = await bench.collect(member, 1)

    assert list(await bench.settle(member, DeadLetter("bad"), delivery)) == [SETTLED]

    (entry,) = await broker.management().dead_letters("t", "g", limit=10)
    assert (entry.message.body, entry.message.id) == (b"7", "t-7")
    assert await bench.pending("t", "g") == 0


async def test_nothing_of_a_stale_settlement_is_done(bench: Bench) -> None:
    """A delivery that another member took over is settled by that member alone."""
    broker = await bench.broker(lease_s=0.3)
    await bench.declare(broker, "t", "g")
    slow = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t", 1), bench.message("t", 2))
    ours = await bench.collect(slow, 2)
    quick = await bench.member(broker, "t", "g")
    taken = await bench.collect(quick, 2)

    retry = Settlement(ours[0], Retry(0.0), _again(ours[0].message))
    results = await slow.settle([retry, Settlement(ours[1], ACK)], timeout_s=CALL_S)

    assert list(results) == [STALE, STALE]
    assert {d.delivery_count for d in taken} == {2}
    assert all(d.redelivered for d in taken)
    assert await bench.call("XLEN", f"{{{bench.key('t')}}}.g.retry") == 0
    assert list(await bench.settle(quick, ACK, *taken)) == [SETTLED] * 2


async def test_keep_holds_on_and_tells_what_is_lost(bench: Bench) -> None:
    """Kept deliveries stay for longer than a lease; those taken over are told."""
    broker = await bench.broker(lease_s=0.4)
    await bench.declare(broker, "t", "g")
    keeper = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t", 1), bench.message("t", 2))
    kept, dropped = await bench.collect(keeper, 2)
    taker = await bench.member(broker, "t", "g", prefetch=1)

    end = time.monotonic() + 1.2
    taken = []
    while time.monotonic() < end:
        assert await keeper.keep([kept]) == []
        taken += await taker.receive(max_messages=1, wait_s=0.1)

    assert [d.id for d in taken] == [dropped.id]
    assert await keeper.keep([kept, dropped]) == [dropped]
    assert list(await bench.settle(keeper, ACK, kept)) == [SETTLED]


async def test_an_unanswered_settlement_is_unknown_and_may_be_repeated(
    bench: Bench, proxy: Proxy
) -> None:
    """The server may have done it or not: what was not done comes again, flagged."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, *(bench.message("t", n) for n in range(3)))
    zero, one, two = await bench.collect(member, 3)
    await bench.settle(member, ACK, zero)
    proxy.passes.clear()

    (unknown,) = await member.settle([Settlement(one, ACK)], timeout_s=0.2)
    proxy.passes.set()
    # That one did reach the server: repeating it is stale, and it does not come again.
    (repeated,) = await bench.settle(member, ACK, one)

    assert isinstance(unknown, SettleUnknown)
    assert repeated is STALE
    assert not await member.receive(max_messages=5, wait_s=0.2)
    assert list(await bench.settle(member, ACK, two)) == [SETTLED]
    assert await bench.pending("t", "g") == 0


async def test_what_an_unknown_settlement_did_not_do_comes_again(
    bench: Bench, proxy: Proxy
) -> None:
    """To ourselves, flagged, although nobody else is there to take it over."""
    broker = await bench.broker(host="127.0.0.1", port=proxy.port)
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g")
    await bench.send(broker, bench.message("t"))
    (first,) = await bench.collect(member, 1)
    proxy.passes.clear()

    # The settling connection is new: it hangs before it has said anything.
    (unknown,) = await member.settle([Settlement(first, ACK)], timeout_s=0.2)
    proxy.passes.set()
    (again,) = await bench.collect(member, 1)

    assert isinstance(unknown, SettleUnknown)
    assert again.redelivered
    assert list(await bench.settle(member, ACK, first)) == [STALE]
    assert list(await bench.settle(member, ACK, again)) == [SETTLED]
