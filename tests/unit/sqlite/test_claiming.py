"""Claims: order by key, priority, expiry, due moments, leases, cancellation."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from anymq.abc import Subscription
from anymq.errors import ClosedError
from anymq.outcome import (
    SETTLED,
    STALE,
    Retry,
)
from tests.unit.sqlite.bench import CALL_S, Bench, bodies

STATES = "SELECT state, count(*) FROM queue GROUP BY state ORDER BY state"


async def test_one_of_a_key_at_a_time(bench: Bench) -> None:
    """Over two members; retry lets the next of the key go, keyless ones are free."""
    broker = await bench.ready(order="key")
    first, second = await bench.subscribe(broker), await bench.subscribe(broker)
    keys = ["a", "a", "b", None, "a", None]
    await bench.send(broker, *[bench.message(b"%d" % n, key=key) for n, key in enumerate(keys)])

    one = await bench.take(first, 4)
    await bench.nothing(second)
    await bench.settle(first, one[0])
    (next_a,) = await bench.take(second, 1)
    await bench.settle(second, next_a, outcome=Retry(0.2), message=bench.message(b"again", key="a"))
    (third_a,) = await bench.take(first, 1)
    await bench.nothing(second, 0.3)
    await bench.settle(first, third_a)
    (retried,) = await bench.take(second, 1)

    assert bodies(one) == [b"0", b"2", b"3", b"5"]
    assert (next_a.body, third_a.body, retried.body) == (b"1", b"4", b"again")


async def test_a_change_of_order_takes_what_waits_along(bench: Bench) -> None:
    """To by key and back, by declaring again."""
    broker = await bench.ready()
    await bench.send(broker, *[bench.message(b"%d" % n, key="k") for n in range(3)])

    await bench.declare(broker, "t", "g", order="key")
    by_key = bench.query(STATES)
    await bench.declare(broker, "t", "g")

    assert by_key == [(0, 1), (3, 2)]
    assert bench.query(STATES) == [(0, 3)]


async def test_higher_first_and_one_in_eight_lower(bench: Bench) -> None:
    """Nobody starves."""
    broker = await bench.ready()
    low = [bench.message(b"low", priority=0) for _ in range(20)]
    high = [bench.message(b"high", priority=2) for _ in range(20)]
    await bench.send(broker, *low, *high)
    subscription = await bench.subscribe(broker)

    taken = bodies(await bench.take(subscription, 16))

    assert taken.count(b"low") == 2
    assert taken[:7] == [b"high"] * 7


async def test_what_is_too_old_is_not_delivered(bench: Bench) -> None:
    """And is removed, and lets the next of its key go."""
    broker = await bench.ready(order="key")
    old = [bench.message(b"old", key="k", expires_at=time.time() - 1) for _ in range(3)]
    await bench.send(broker, *old, bench.message(b"new", key="k"))
    subscription = await bench.subscribe(broker)

    assert bodies(await bench.take(subscription, 1)) == [b"new"]
    assert bench.query(STATES) == [(1, 1)]


async def test_due_is_not_early_and_hardly_late(bench: Bench) -> None:
    """A receive that waits is woken by the moment."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    due_at = time.time() + 0.3
    await bench.send(broker, bench.message(due_at=due_at))

    (_,) = await subscription.receive(max_messages=1, wait_s=2.0)

    assert 0 <= time.time() - due_at < 0.15


async def test_a_lease_that_is_not_kept_ends(bench: Bench) -> None:
    """The consumer is told, the message comes again, counted; what is kept stays."""
    broker = await bench.ready(lease_s=0.4)
    lost: list[Any] = []
    subscription = await bench.subscribe(broker, on_lost=lost.extend)
    await bench.send(broker, bench.message(b"kept"), bench.message(b"forgotten"))
    kept, forgotten = await bench.take(subscription, 2)

    for _ in range(4):
        await asyncio.sleep(0.15)  # the passing of leases is what is tested
        await subscription.keep([kept])
    (again,) = await bench.take(subscription, 1)

    assert lost == [forgotten]
    assert (again.body, again.delivery_count, again.redelivered) == (b"forgotten", 2, True)
    assert await subscription.keep([kept, forgotten]) == [forgotten]
    assert await bench.settle(subscription, forgotten, kept) == [STALE, SETTLED]


async def test_a_cancelled_receive_loses_nothing(bench: Bench) -> None:
    """F13: at any moment, two hundred times; each message comes once, uncounted."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker, prefetch=500)
    got: list[bytes] = []

    for n in range(200):
        receiving = Receiving(subscription)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(receiving.run())
            await bench.send(broker, bench.message(b"%d" % n))
            await asyncio.sleep(0.0002 * (n % 10))
            task.cancel()
        got += receiving.bodies
    async with asyncio.timeout(CALL_S):
        while len(got) < 200:
            rest = await subscription.receive(max_messages=200, wait_s=1.0)
            assert {delivery.delivery_count for delivery in rest} <= {1}
            got += bodies(rest)

    assert sorted(map(int, got)) == list(range(200))


class Receiving:
    """One receive; what it returned before it was cancelled."""

    def __init__(self, subscription: Subscription) -> None:
        self.bodies: list[bytes] = []
        self._subscription = subscription

    async def run(self) -> None:
        self.bodies = bodies(await self._subscription.receive(max_messages=10, wait_s=1.0))


async def test_closing_gives_back_and_forgets(bench: Bench) -> None:
    """What is in flight returns uncounted; an anonymous group goes with all it had."""
    broker = await bench.ready()
    named = await bench.subscribe(broker)
    private = await bench.subscribe(broker, group=None)
    await bench.send(broker, bench.message())
    await bench.take(named, 1)

    await named.aclose(timeout_s=5)
    await private.aclose(timeout_s=5)

    assert bench.query("SELECT state, deliveries, redelivered FROM queue") == [(0, 0, 1)]
    assert bench.query("SELECT count(*) FROM members") == [(0,)]
    assert bench.query("SELECT count(*) FROM groups") == [(1,)]
    with pytest.raises(ClosedError):
        await named.receive(max_messages=1, wait_s=0)


async def test_pause_and_stop(bench: Bench) -> None:
    """Paused, nothing new comes; resumed it does; stopped, what is held can be settled."""
    broker = await bench.ready()
    subscription = await bench.subscribe(broker)
    await subscription.pause()
    await bench.send(broker, bench.message())
    await bench.nothing(subscription)
    await subscription.resume()
    (delivery,) = await bench.take(subscription, 1)

    await subscription.stop()

    await bench.nothing(subscription, 0.0)
    assert await bench.settle(subscription, delivery) == [SETTLED]
