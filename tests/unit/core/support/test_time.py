"""Delays that grow, limits for closing, the clocks, ids, and leases that are kept."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymq.message import Delivery
from anymq.support.backoff import Backoff
from anymq.support.clock import SystemClock
from anymq.support.ids import new_id
from anymq.support.lease_keeper import LeaseKeeper
from anymq.support.limits import within
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import a_delivery, turns


@given(st.integers(0, 3000))
def test_backoff_stays_between_its_bounds(count: int) -> None:
    """However often it is asked: at most the maximum, at least it less the jitter."""
    backoff = Backoff(first_s=0.1, factor=2, max_s=5, jitter=0.2)
    for _ in range(min(count, 80)):
        last = backoff.next_s()
        assert 0.08 <= last <= 5
    backoff._count = count

    assert 0.08 <= backoff.next_s() <= 5


def test_backoff_doubles_and_begins_anew() -> None:
    """Without jitter the delays are exact; reset begins with the first."""
    backoff = Backoff(first_s=1, factor=2, max_s=5, jitter=0)

    assert [backoff.next_s() for _ in range(4)] == [1, 2, 4, 5]
    assert backoff.attempts == 4
    backoff.reset()
    assert (backoff.attempts, backoff.next_s()) == (0, 1)


async def test_a_step_of_closing_may_fail_and_may_be_late() -> None:
    """Neither an error nor its lateness reaches who goes on closing."""
    async with within(1):
        raise LookupError("broken")
    async with within(0.001):
        await asyncio.Event().wait()


async def test_cancelling_a_step_of_closing_is_passed_on() -> None:
    """Cancellation from outside is no lateness."""
    entered = asyncio.Event()

    async def close() -> None:
        async with within(60):
            entered.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(close())
        await entered.wait()
        task.cancel()

    assert task.cancelled()


async def test_the_machines_clock_sleeps_and_calls() -> None:
    """It waits about as long as asked; a past moment is now; a timer can be taken back."""
    clock, called = SystemClock(), asyncio.Event()
    began = clock.monotonic()
    clock.call_later(0.001, called.set).cancel()

    await clock.sleep(0.01)

    assert not called.is_set()
    assert 0.01 <= clock.monotonic() - began < 5
    clock.call_later(-1, called.set)
    await asyncio.wait_for(called.wait(), 5)
    assert clock.time() > 1.7e9


async def test_the_fake_clock_runs_what_is_due_in_order_of_time() -> None:
    """Time stops at each moment for which something waits."""
    clock, seen = FakeClock(start=100.0), list[tuple[str, float]]()

    for name, delay in (("b", 2.0), ("a", 1.0), ("c", 5.0)):
        clock.call_later(delay, lambda name=name: seen.append((name, clock.monotonic())))
    clock.call_later(1.5, lambda: seen.append(("never", 0.0))).cancel()
    await clock.advance(3)

    assert seen == [("a", 1.0), ("b", 2.0)]
    assert (clock.monotonic(), clock.time()) == (3.0, 103.0)


async def test_a_sleep_on_the_fake_clock_ends_when_time_is_moved() -> None:
    """And not before; one that is cancelled leaves nothing that is called."""
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        sleeper = group.create_task(clock.sleep(10))
        dropped = group.create_task(clock.sleep(10))
        await clock.advance(9.9)
        assert not sleeper.done()
        dropped.cancel()
        await clock.advance(0.2)

    assert sleeper.done()
    assert dropped.cancelled()


def test_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    """Each is new, and a later one is greater."""
    ids = [new_id() for _ in range(1000)]

    assert uuid.UUID(ids[0]).version == 7
    assert sorted(set(ids)) == ids


class _Keeps:
    def __init__(self) -> None:
        self.kept: list[list[int]] = []
        self.lost: list[Delivery] = []

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        self.kept.append([delivery.token for delivery in deliveries])
        return self.lost


@pytest.mark.parametrize(("held", "calls"), [([a_delivery(1), a_delivery(2)], [[1, 2]]), ([], [])])
async def test_leases_are_kept_every_third_of_their_time(
    held: list[Delivery], calls: list[list[int]]
) -> None:
    """What is held is kept; with nothing held the backend is left alone."""
    clock, keeps = FakeClock(), _Keeps()
    keeper = LeaseKeeper(keeps, 30.0, lambda: held, lambda lost: None)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(keeper.run(clock))
        await clock.advance(9.9)
        assert keeps.kept == []
        await clock.advance(0.2)
        task.cancel()

    assert keeps.kept == calls


async def test_lost_leases_are_told() -> None:
    """What the backend says is no longer ours is handed on at once."""
    clock, keeps, told = FakeClock(), _Keeps(), list[Sequence[Delivery]]()
    keeps.lost = [a_delivery(2)]
    keeper = LeaseKeeper(keeps, 3.0, lambda: [a_delivery(1), a_delivery(2)], told.append)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(keeper.run(clock))
        await turns()
        await clock.advance(1.0)
        task.cancel()

    assert told == [keeps.lost]
