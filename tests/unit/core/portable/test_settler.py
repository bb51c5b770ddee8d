"""Outcomes travel in batches, and each answer is accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from anymq import ClosedError
from anymq.emulation.delay import DelayRoute
from anymq.emulation.outcomes import Emulation
from anymq.events import AppEvent, SettlementLost
from anymq.message import Message
from anymq.outcome import (
    ACK,
    CONFIRMED,
    RELEASE,
    SETTLED,
    STALE,
    DeadLetter,
    Rejected,
    SendResult,
    Settlement,
    SettleResult,
    SettleUnknown,
    Unknown,
)
from anymq.portable import settler as module
from anymq.portable.settler import Settler
from anymq.support.backoff import Backoff
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import FakeSubscription, a_delivery, turns, until

Answer = Callable[[Sequence[Settlement]], Awaitable[Sequence[SettleResult]]]
ALL = frozenset({"release", "retry", "dead_letter"})


class Desk:
    """A settler at work, and what it did."""

    def __init__(self, answer: Answer | None, handles: frozenset[str]) -> None:
        clock = FakeClock()
        self.subscription = FakeSubscription(answer)
        self.copies: list[Message] = []
        self.copy_results: list[SendResult] = []
        self.done: list[tuple[int, SettleResult]] = []
        self.told: list[AppEvent] = []
        self.settler = Settler(
            self.subscription,
            Emulation(handles, DelayRoute(handles, clock), clock),
            send=self._send,
            on_settled=lambda items, result: self.done.extend(
                (i.delivery.token, result) for i in items
            ),
            tell=self.told.append,
        )

    async def _send(self, messages: Sequence[Message], timeout_s: float) -> Sequence[SendResult]:
        self.copies += messages
        return [self.copy_results.pop(0) if self.copy_results else CONFIRMED for _ in messages]


@asynccontextmanager
async def settling(
    answer: Answer | None = None, handles: frozenset[str] = ALL
) -> AsyncIterator[Desk]:
    """A desk whose settler runs for the block."""
    desk = Desk(answer, handles)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(desk.settler.run())
        yield desk
        task.cancel()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat without waiting: how long is Backoff's business."""
    monkeypatch.setattr(Backoff, "next_s", lambda self: 0.0)


def scripted(*answers: SettleResult | Exception) -> Answer:
    """Answers one call after the other, for all of its items; at last the last, again."""
    left = list(answers)

    async def answer(items: Sequence[Settlement]) -> Sequence[SettleResult]:
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, Exception):
            raise now
        return [now] * len(items)

    return answer


async def test_what_is_added_in_one_turn_is_settled_in_one_call() -> None:
    """A batch per turn, in order, each told when it is done."""
    async with settling() as desk:
        await turns()
        for number in range(3):
            desk.settler.add(Settlement(a_delivery(number), ACK))
        assert await desk.settler.flush(1)

    assert desk.subscription.batches == [3]
    assert desk.done == [(0, SETTLED), (1, SETTLED), (2, SETTLED)]


async def test_what_is_added_while_it_settles_comes_next() -> None:
    """Nothing is forgotten between two batches."""
    gate = asyncio.Event()

    async def answer(items: Sequence[Settlement]) -> Sequence[SettleResult]:
        await gate.wait()
        return [SETTLED] * len(items)

    async with settling(answer) as desk:
        desk.settler.add(Settlement(a_delivery(0), ACK))
        await until(lambda: desk.subscription.batches)
        desk.settler.add(Settlement(a_delivery(1), ACK))
        assert not await desk.settler.flush(0.001)
        gate.set()
        assert await desk.settler.flush(1)

    assert desk.subscription.batches == [1, 1]


async def test_flushing_nothing_returns_at_once() -> None:
    """Even when the settler never ran."""
    assert await Desk(None, ALL).settler.flush(0)


async def test_a_stale_settlement_is_told_once_and_disturbs_no_other() -> None:
    """It is counted, and an event says which message may be handled again."""

    async def answer(items: Sequence[Settlement]) -> Sequence[SettleResult]:
        return [STALE if item.delivery.token == 1 else SETTLED for item in items]

    async with settling(answer) as desk:
        for number in range(3):
            desk.settler.add(Settlement(a_delivery(number), ACK))
        assert await desk.settler.flush(1)

    assert desk.told == [SettlementLost("t", "g", "m1", "no longer ours")]
    assert desk.settler.stale == 1
    assert desk.done == [(0, SETTLED), (1, STALE), (2, SETTLED)]


@pytest.mark.parametrize(
    "problem", [SettleUnknown("no answer"), LookupError("a bug"), TimeoutError("late")]
)
async def test_an_unknown_settlement_is_repeated_until_it_is_known(
    problem: SettleResult | Exception,
) -> None:
    """Whatever went wrong; when it came through nobody is told of anything."""
    async with settling(scripted(problem, problem, SETTLED)) as desk:
        desk.settler.add(Settlement(a_delivery(5), ACK))
        assert await desk.settler.flush(1)

    assert desk.subscription.batches == [1, 1, 1]
    assert desk.done == [(5, SETTLED)]
    assert desk.told == []


async def test_the_wrong_number_of_answers_is_no_answer() -> None:
    """They cannot be told apart, so all are repeated."""
    calls: list[int] = []

    async def answer(items: Sequence[Settlement]) -> Sequence[SettleResult]:
        calls.append(len(items))
        return [SETTLED] * (1 if len(calls) == 1 else len(items))

    async with settling(answer) as desk:
        for number in range(2):
            desk.settler.add(Settlement(a_delivery(number), ACK))
        assert await desk.settler.flush(1)

    assert sum(calls[1:]) == 2
    assert sorted(desk.done) == [(0, SETTLED), (1, SETTLED)]


async def test_flush_waits_for_what_is_repeated() -> None:
    """A settlement between two tries is not settled."""
    async with settling(scripted(SettleUnknown("?"))) as desk:
        desk.settler.add(Settlement(a_delivery(), ACK))

        assert not await desk.settler.flush(0.02)


async def test_what_stays_unknown_is_given_up_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told once, with the plugin's reason; its place with us is free."""
    monkeypatch.setattr(module, "REPEAT_FOR_S", 0.02)
    async with settling(scripted(SettleUnknown("the server is silent"))) as desk:
        desk.settler.add(Settlement(a_delivery(5), ACK))
        assert await desk.settler.flush(2)

    assert desk.told == [SettlementLost("t", "g", "m5", "the server is silent")]
    assert desk.done == [(5, SettleUnknown("the server is silent"))]


async def test_repeating_one_holds_no_other_back() -> None:
    """Others are settled meanwhile."""

    async def answer(items: Sequence[Settlement]) -> Sequence[SettleResult]:
        return [SettleUnknown("?") if i.delivery.token == 0 else SETTLED for i in items]

    async with settling(answer) as desk:
        for number in range(3):
            desk.settler.add(Settlement(a_delivery(number), ACK))
        await until(lambda: len(desk.done) == 2)

    assert desk.done == [(1, SETTLED), (2, SETTLED)]


async def test_a_closed_subscription_makes_settlements_stale() -> None:
    """There is nothing to be repeated: what was held has gone back."""
    async with settling(scripted(ClosedError("closed"))) as desk:
        desk.settler.add(Settlement(a_delivery(), ACK))
        assert await desk.settler.flush(1)

    assert desk.done == [(0, STALE)]


async def test_a_settle_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time and a margin it counts as unknown, and is repeated."""
    monkeypatch.setattr(module, "SETTLE_TIMEOUT_S", -0.49)
    calls: list[int] = []

    async def answer(items: Sequence[Settlement]) -> Sequence[SettleResult]:
        calls.append(len(items))
        if len(calls) == 1:
            await asyncio.Event().wait()
        return [SETTLED]

    async with settling(answer) as desk:
        desk.settler.add(Settlement(a_delivery(), ACK))
        assert await desk.settler.flush(1)

    assert calls == [1, 1]


async def test_an_emulated_outcome_is_a_confirmed_copy_then_an_ack() -> None:
    """The original is acknowledged only when the copy is safe."""
    async with settling(handles=frozenset()) as desk:
        desk.settler.add(Settlement(a_delivery(1), RELEASE))
        desk.settler.add(Settlement(a_delivery(2), ACK))
        assert await desk.settler.flush(1)

    assert [(copy.id, copy.lane, copy.group) for copy in desk.copies] == [("m1", "retry", "g")]
    assert {item.delivery.token: item.outcome for item in desk.subscription.settled} == {
        1: ACK,
        2: ACK,
    }


@pytest.mark.parametrize("problem", [Unknown("?"), Rejected("full", "no room")])
async def test_a_copy_that_was_not_confirmed_is_sent_again(problem: SendResult) -> None:
    """Until then the original stays unacknowledged: nothing is lost."""
    async with settling(handles=frozenset()) as desk:
        desk.copy_results = [problem, problem]
        desk.settler.add(Settlement(a_delivery(1), DeadLetter("why")))
        await until(lambda: len(desk.copies) == 2)
        assert desk.subscription.settled == []
        assert await desk.settler.flush(1)

    assert len(desk.copies) == 3
    assert [item.outcome for item in desk.subscription.settled] == [ACK]


async def test_a_copy_is_not_sent_again_for_an_ack_that_is_repeated() -> None:
    """Once it is safe, only the Ack of the original is repeated."""
    answer = scripted(SettleUnknown("?"), SettleUnknown("?"), SETTLED)
    async with settling(answer, frozenset()) as desk:
        desk.settler.add(Settlement(a_delivery(1), RELEASE))
        assert await desk.settler.flush(1)

    assert len(desk.copies) == 1
    assert desk.subscription.batches == [1, 1, 1]


async def test_a_copy_that_never_is_confirmed_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The original was not touched: its lease decides when it comes again."""
    monkeypatch.setattr(module, "REPEAT_FOR_S", 0.01)
    async with settling(handles=frozenset()) as desk:
        desk.copy_results = [Unknown("lost")] * 10_000
        desk.settler.add(Settlement(a_delivery(1), RELEASE))
        assert await desk.settler.flush(2)

    (event,) = desk.told
    assert isinstance(event, SettlementLost)
    assert "copy was not confirmed" in event.reason
    assert desk.subscription.settled == []
