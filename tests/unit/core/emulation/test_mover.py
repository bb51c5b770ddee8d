"""The mover carries messages down the ladder: never early, never lost, never spinning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from anymq import App, BackendUnavailable, ClosedError, Delivery, RetryPolicy
from anymq.emulation.delay import enter
from anymq.message import Message
from anymq.outcome import CONFIRMED, Rejected, SendResult
from anymq.runtime.mover import Mover
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import FakeBroker, FakeSubscription, turns

NOW = 1000.0


class Rig:
    """One mover between a fake subscription and a fake broker."""

    def __init__(self, bucket_s: int) -> None:
        self.clock = FakeClock(start=NOW)
        self.broker = FakeBroker(self._answer)
        self.subscription = FakeSubscription()
        self.results: list[SendResult] = []
        self.mover = Mover(self.broker, bucket_s, clock=self.clock, lease_s=30)
        self.subscription.receive = self._receive  # type: ignore[method-assign]

    @property
    def moved(self) -> list[Message]:
        return [message for batch in self.broker.sent for message in batch]

    def bring(self, due_at: float, entered: float = NOW, number: int = 1) -> None:
        message = enter(Message("t", b"", f"m{number}", NOW), due_at, entered)
        self.subscription.incoming.put_nowait([Delivery(message, "mover", number)])

    async def _answer(self, messages: Sequence[Message]) -> Sequence[SendResult]:
        return [self.results.pop(0) if self.results else CONFIRMED for _ in messages]

    async def _receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        """As a plugin does: what there is, or nothing after ``wait_s``."""
        incoming = self.subscription.incoming
        deadline = self.clock.monotonic() + wait_s
        while incoming.empty() and self.clock.monotonic() < deadline:
            await self.clock.sleep(0.1)
        return [] if incoming.empty() else incoming.get_nowait()


@asynccontextmanager
async def moving(bucket_s: int = 5) -> AsyncIterator[Rig]:
    """A rig whose mover runs for the block."""
    rig = Rig(bucket_s)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(rig.mover.run(rig.subscription))
        yield rig
        task.cancel()


async def test_a_message_moves_on_when_its_stay_is_over() -> None:
    """To the largest bucket that fits what remains, and the old copy is acknowledged."""
    async with moving(5) as rig:
        rig.bring(due_at=NOW + 8)
        await rig.clock.advance(4.9)
        assert rig.moved == []
        await rig.clock.advance(0.2)

    assert [message.topic for message in rig.moved] == ["anymq.delay.1"]
    assert len(rig.subscription.settled) == 1


async def test_a_message_leaves_at_its_moment() -> None:
    """The last part of a second is waited here."""
    async with moving(5) as rig:
        rig.bring(due_at=NOW + 5.5)
        await rig.clock.advance(5.4)
        assert rig.moved == []
        await rig.clock.advance(0.2)

    assert [(message.topic, message.id) for message in rig.moved] == [("t", "m1")]


@pytest.mark.parametrize("lateness", [0.6, 1.0, 1.4])
async def test_a_mover_that_comes_late_lets_nobody_leave_early(lateness: float) -> None:
    """All Apps were down when the stay was over, and less than a second remains."""
    async with moving(5) as rig:
        await rig.clock.advance(5 + lateness)
        rig.bring(due_at=NOW + 6.5, entered=NOW)
        await rig.clock.advance(1.4 - lateness)
        early = [message for message in rig.moved if message.topic == "t"]
        await rig.clock.advance(3)

    assert early == []
    assert len(rig.moved) == 1


async def test_what_is_not_confirmed_is_tried_again_without_spinning() -> None:
    """The original stays unacknowledged, and the loop goes on turning for others."""
    async with moving(1) as rig:
        rig.results = [Rejected("full", "no room")] * 3
        rig.bring(due_at=NOW + 1)
        async with asyncio.timeout(5):
            await rig.clock.advance(1.0)
            assert rig.subscription.settled == []
            assert len(rig.moved) <= 2
            await rig.clock.advance(60)

    assert len(rig.moved) == 4
    assert len(rig.subscription.settled) == 1


async def test_a_lost_lease_is_let_go() -> None:
    """Somebody else moves it."""
    async with moving(5) as rig:
        rig.bring(due_at=NOW + 5)
        await rig.clock.advance(1)

        async def keep(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
            return list(deliveries)

        rig.subscription.keep = keep  # type: ignore[method-assign]
        await rig.clock.advance(30)

    assert rig.moved == []


async def test_a_lost_connection_is_waited_out() -> None:
    """The plugin restores it; the mover goes on."""
    async with moving(1) as rig:
        receive, calls = rig.subscription.receive, list[int]()

        async def failing(**options: Any) -> Sequence[Delivery]:
            calls.append(1)
            if len(calls) < 3:
                raise BackendUnavailable("cut")
            return await receive(**options)

        rig.subscription.receive = failing  # type: ignore[method-assign]
        rig.bring(due_at=NOW + 1)
        await rig.clock.advance(60)

    assert [message.topic for message in rig.moved] == ["t"]


async def test_a_closed_subscription_ends_the_mover() -> None:
    """There is nothing left to move."""
    rig = Rig(1)

    async def closed(**options: Any) -> Sequence[Delivery]:
        raise ClosedError("closed")

    rig.subscription.receive = closed  # type: ignore[method-assign]
    async with asyncio.timeout(2):
        await rig.mover.run(rig.subscription)


async def test_no_more_is_held_than_the_prefetch() -> None:
    """With a full hand it waits for the first that is ripe, and keeps its leases."""
    async with moving(5) as rig:
        for number in range(250):
            rig.bring(due_at=NOW + 5, number=number)
        await rig.clock.advance(4.9)
        assert rig.subscription.incoming.qsize() == 50
        assert rig.subscription.calls[-1] == "keep 200"
        await rig.clock.advance(2)

    assert len(rig.moved) == 250


async def test_delays_work_on_a_backend_that_only_acknowledges(url: str) -> None:
    """Published with a delay, failed and retried: each at its moment, within a second."""
    clock = FakeClock()
    app = App(f"{url}?native=none", clock=clock)
    seen: list[tuple[str, int, float]] = []

    @app.subscriber("t", group="g", retry=RetryPolicy(first_delay_s=7, jitter=0))
    async def handle(body: str, delivery: Delivery) -> None:
        seen.append((body, delivery.attempt, clock.monotonic()))
        if delivery.attempt == 1:
            raise LookupError("again")

    async with app:
        await app.publish("t", "x", delay_s=33, key="k", headers={"a": "b"})
        await turns()
        for _ in range(90):
            await clock.advance(0.5)

    assert [(body, attempt) for body, attempt, _ in seen] == [("x", 1), ("x", 2)]
    assert 33 <= seen[0][2] <= 34.4
    assert 7 <= seen[1][2] - seen[0][2] <= 8.1
