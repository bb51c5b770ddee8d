"""Keys in order: partitions have owners, and what is left of them comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

import pytest

from anymq.message import Delivery
from anymq.outcome import ACK, RELEASE, STALE, Retry
from anymq_redis.subscription import RedisSubscription
from tests.unit.redis.bench import CALL_S, Bench

pytestmark = pytest.mark.server("redis")


def _ids(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.id.partition("-")[2] for delivery in deliveries]


async def _receive(member: RedisSubscription, count: int = 100) -> list[str]:
    return _ids(await member.receive(max_messages=count, wait_s=0.2))


async def _until_taken_over(member: RedisSubscription, count: int) -> list[Delivery]:
    """The next deliveries: whoever had them is gone, or leaves."""
    found: list[Delivery] = []
    async with asyncio.timeout(CALL_S):
        while len(found) < count:
            found += await member.receive(max_messages=count - len(found), wait_s=0.2)
    return found


async def test_each_partition_has_one_owner_among_the_members(bench: Bench) -> None:
    """Two members share two partitions; a third waits; nobody reads what is another's."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", partitions=2)
    first = await bench.member(broker, "t", "g", order="key")
    assert await _receive(first) == []

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.receive(max_messages=9, wait_s=0.5))
        second = await bench.member(broker, "t", "g", order="key")
    third = await bench.member(broker, "t", "g", order="key")
    await bench.send(broker, *(bench.message("t", n, partition=n % 2) for n in range(6)))

    assert await _receive(first) == ["0", "2", "4"]
    assert await _receive(second) == ["1", "3", "5"]
    assert await _receive(third) == []


async def test_what_is_released_comes_again_in_its_place_and_uncounted(bench: Bench) -> None:
    """Before anything that was sent later, and before what was held with it is forgotten."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g", order="key")
    await bench.send(broker, *(bench.message("t", n) for n in range(4)))
    deliveries = await bench.collect(member, 3)

    await bench.settle(member, RELEASE, deliveries[1])
    await bench.settle(member, RELEASE, deliveries[0])
    again = await bench.collect(member, 3)

    assert _ids(again) == ["0", "1", "3"]
    assert [delivery.delivery_count for delivery in again] == [1, 1, 1]
    assert [delivery.redelivered for delivery in again] == [True, True, False]
    await bench.settle(member, RELEASE, *again)
    (state,) = await broker.management().groups("t")
    assert (state.ready, state.in_flight, state.members) == (3, 1, 1)


async def test_a_leaving_member_hands_over_at_once_and_in_order(bench: Bench) -> None:
    """The next owner begins with what the one before had not settled."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    first = await bench.member(broker, "t", "g", order="key")
    second = await bench.member(broker, "t", "g", order="key")
    await bench.send(broker, *(bench.message("t", n) for n in range(5)))
    held = await bench.collect(first, 4)
    await bench.settle(first, ACK, held[1])
    assert await _receive(second) == []

    await first.aclose(timeout_s=CALL_S)

    taken = await _until_taken_over(second, 4)
    assert _ids(taken) == ["0", "2", "3", "4"]
    assert taken[0].delivery_count == 1


async def test_a_dead_members_partitions_are_taken_over_when_its_lease_ends(bench: Bench) -> None:
    """Not before, and then what it held comes first, counted."""
    broker, other = await bench.broker(lease_s=0.6), await bench.broker(lease_s=0.6)
    await bench.declare(broker, "t", "g")
    first = await bench.member(broker, "t", "g", order="key")
    second = await bench.member(other, "t", "g", order="key")
    await bench.send(broker, *(bench.message("t", n) for n in range(4)))
    held = await bench.collect(first, 2)
    began = asyncio.get_running_loop().time()

    broker.abandon()

    taken = await _until_taken_over(second, 4)
    assert asyncio.get_running_loop().time() - began > 0.3
    assert _ids(taken) == ["0", "1", "2", "3"]
    assert [delivery.delivery_count for delivery in taken] == [2, 2, 1, 1]
    assert _ids(held) == ["0", "1"]


async def test_a_member_that_slept_through_its_lease_learns_it(bench: Bench) -> None:
    """What it held is another's by then: it is told, settling it changes nothing."""
    broker = await bench.broker(lease_s=0.3)
    await bench.declare(broker, "t", "g")
    sleeper = await bench.member(broker, "t", "g", order="key")
    other = await bench.member(broker, "t", "g", order="key")
    await bench.send(broker, bench.message("t"))
    held = await bench.collect(sleeper, 1)

    taken = await _until_taken_over(other, 1)
    lost = await sleeper.keep(held)

    assert (_ids(taken), lost, bench.lost) == (["0"], held, held)
    assert await bench.settle(sleeper, ACK, *held) == [STALE]
    assert await _receive(sleeper) == []


async def test_a_partition_moves_only_when_nothing_is_held_of_it(bench: Bench) -> None:
    """A newcomer waits for the handlers; they are told to end where that takes too long."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", partitions=2)
    first = await bench.member(broker, "t", "g", order="key")
    await bench.send(broker, *(bench.message("t", n, partition=1) for n in range(2)))
    held = await bench.collect(first, 2)
    second = await bench.member(broker, "t", "g", order="key")
    await bench.send(broker, bench.message("t", 2, partition=1))

    assert await _receive(first) == []
    assert await _receive(second) == []
    await bench.settle(first, ACK, *held)
    assert await _receive(first) == []

    assert _ids(await _until_taken_over(second, 1)) == ["2"]
    assert bench.lost == []


async def test_retries_stay_in_the_partition_of_their_key(bench: Bench) -> None:
    """Else two members could have one key: at once and delayed, from a group's own lane."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g", partitions=3)
    member = await bench.member(broker, "t", "g", order="key")
    await bench.send(broker, *(bench.message("t", n, partition=n) for n in range(3)))
    deliveries = await bench.collect(member, 3)

    for delivery in deliveries:
        await bench.settle(member, Retry(0.0), delivery)
    again = await bench.collect(member, 3)
    for delivery in again:
        await bench.settle(member, Retry(0.1), delivery)
    last = await bench.collect(member, 3)

    for found in (again, last):
        partitions = {d.id: d.token.feed.partition for d in found}
        assert partitions == {f"t-{n}": n for n in range(3)}
        assert {d.token.feed.lane for d in found} == {"retry"}


async def test_an_interrupted_read_is_found_again_in_order(bench: Bench) -> None:
    """Cancelled between the server's doing and its reply, nothing is lost and nothing passed."""
    broker = await bench.broker()
    await bench.declare(broker, "t", "g")
    member = await bench.member(broker, "t", "g", order="key")
    await bench.send(broker, *(bench.message("t", n) for n in range(40)))
    seen: list[str] = []

    async with asyncio.timeout(4 * CALL_S):
        for step in count():
            if len(seen) == 40:
                break
            within_s = CALL_S if step % 5 == 4 else 0.0005 * (step % 5)
            try:
                async with asyncio.timeout(within_s):
                    found = await member.receive(max_messages=3, wait_s=0.05)
            except TimeoutError:
                continue
            await bench.settle(member, ACK, *found)
            seen += _ids(found)

    assert seen == [str(n) for n in range(40)]
