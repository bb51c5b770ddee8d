"""The receive loop: takes what fits, waits at its gates, and never spins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from anymq import BackendUnavailable
from anymq.message import Delivery
from anymq.portable.intake import Intake
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import FakeSubscription, a_delivery, turns, until


class Door:
    """An intake at work, and what came through."""

    def __init__(self, prefetch: int) -> None:
        self.subscription = FakeSubscription()
        self.clock = FakeClock()
        self.accepted: list[int] = []
        self.refused: list[int] = []
        self.intake = Intake(
            self.subscription,
            prefetch=prefetch,
            accept=self._accept,
            refuse=self._refuse,
            clock=self.clock,
        )

    def bring(self, *numbers: int) -> None:
        self.subscription.incoming.put_nowait([a_delivery(number) for number in numbers])

    def _accept(self, fresh: Sequence[Delivery]) -> None:
        self.accepted += [delivery.token for delivery in fresh]

    def _refuse(self, fresh: Sequence[Delivery]) -> None:
        self.refused += [delivery.token for delivery in fresh]


@asynccontextmanager
async def receiving(prefetch: int = 3) -> AsyncIterator[Door]:
    """A door whose intake runs for the block."""
    door = Door(prefetch)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(door.intake.run())
        yield door
        task.cancel()


async def test_no_more_is_asked_for_than_there_is_room() -> None:
    """What is with us counts until it is settled; with no room nothing is asked for."""
    async with receiving(3) as door:
        door.bring(1, 2)
        await until(lambda: door.subscription.asked == [3, 1])
        door.bring(3)
        await until(lambda: door.accepted == [1, 2, 3])
        await turns()
        assert door.subscription.asked == [3, 1]
        door.intake.release(2)
        await until(lambda: door.subscription.asked == [3, 1, 2])

    assert door.intake.held == 1


async def test_a_closed_gate_stops_intake_until_every_reason_is_gone() -> None:
    """One that opens does not open the other."""
    async with receiving() as door:
        await until(lambda: door.subscription.asked)
        door.intake.close_gate("paused")
        door.intake.close_gate("alone")
        door.bring(1)
        await until(lambda: door.accepted == [1])
        await turns()
        asked = len(door.subscription.asked)
        door.intake.open_gate("paused")
        await turns()
        assert len(door.subscription.asked) == asked
        door.intake.open_gate("alone")
        await until(lambda: len(door.subscription.asked) == asked + 1)


async def test_more_room_is_used_at_once() -> None:
    """And less of it is kept to with the next receive."""
    async with receiving(1) as door:
        door.bring(1)
        await until(lambda: door.accepted == [1])
        door.intake.resize(5)
        await until(lambda: door.subscription.asked[-1] == 4)
        door.intake.resize(2)
        door.bring(2)
        await until(lambda: door.accepted == [1, 2])
        await turns()
        assert door.subscription.asked == [1, 4]


async def test_what_comes_after_the_stop_is_refused() -> None:
    """A receive that was under way may still bring something: it is given back, not started."""
    door = Door(3)
    async with asyncio.TaskGroup() as group:
        group.create_task(door.intake.run())
        await until(lambda: door.subscription.asked)
        door.intake.stop()
        door.bring(1)

    assert (door.accepted, door.refused) == ([], [1])
    assert door.intake.is_stopped


async def test_stopping_wakes_an_intake_that_has_no_room() -> None:
    """Whatever it waits for."""
    door = Door(1)
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        group.create_task(door.intake.run())
        door.bring(1)
        await until(lambda: door.accepted == [1])
        await turns()
        door.intake.stop()


async def test_a_plugin_that_returns_empty_at_once_does_not_make_us_spin() -> None:
    """The loop sleeps between such receives, longer and longer, until something comes."""
    async with receiving() as door:
        for _ in range(100):
            door.bring()
        await door.clock.advance(10)
        assert 10 < len(door.subscription.asked) < 25
        while not door.subscription.incoming.empty():
            door.subscription.incoming.get_nowait()
        door.bring(1)
        await door.clock.advance(2)
        assert door.accepted == [1]
        asked = len(door.subscription.asked)
        door.bring()
        await door.clock.advance(0.01)
        assert len(door.subscription.asked) == asked + 1


async def test_what_the_plugin_raises_ends_the_loop() -> None:
    """Core decides what it means; nothing is retried here."""
    door = Door(1)

    async def broken(*, max_messages: int, wait_s: float) -> list[Delivery]:
        raise BackendUnavailable("gone for good")

    door.subscription.receive = broken  # type: ignore[method-assign]

    with pytest.raises(BackendUnavailable):
        await door.intake.run()
