"""Every publish has its own time, whoever shares its send."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from anymq import BufferFull, PublishUnknown
from anymq.message import Message
from anymq.outcome import CONFIRMED, SendResult, Unknown
from anymq.portable.publisher import SENDS
from tests.unit.core.doubles import FakeBroker, a_message, turns, until
from tests.unit.core.portable.test_publisher import Gate, caught, publishing


async def test_a_batch_that_cannot_even_begin_in_time_is_certainly_not_stored() -> None:
    """It is rejected as full, not unknown, and never sent afterwards."""
    gate = Gate()
    broker = FakeBroker(gate)
    async with publishing(broker, max_batch=1) as (publisher, group):
        for number in range(SENDS):
            group.create_task(publisher.publish(a_message(number), 5))
        await until(lambda: len(gate.waiting) == SENDS)
        with pytest.raises(BufferFull, match="took nothing"):
            await publisher.publish(a_message(9), 0.01)
        gate.open()

    assert [b"9"] not in broker.bodies


async def test_a_neighbours_short_time_is_not_ones_own() -> None:
    """In the same send, who gives up after 10 ms does not make the other give up."""
    answers: list[SendResult] = [Unknown("lost"), CONFIRMED]

    async def answer(messages: Sequence[Message]) -> Sequence[SendResult]:
        return [answers.pop(0)] * len(messages)

    async with publishing(FakeBroker(answer)) as (publisher, group):
        hasty = group.create_task(caught(publisher, a_message(1), 0.01))
        patient = group.create_task(caught(publisher, a_message(2), 5))

    assert isinstance(hasty.result(), PublishUnknown)
    assert patient.result() is None


async def test_the_hasty_do_not_wait_for_the_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """While their common send goes on, each gets its end at its own time."""
    monkeypatch.setattr("anymq.portable.send_batch.MARGIN_S", 0.01)
    gate = Gate()
    async with publishing(FakeBroker(gate)) as (publisher, group):
        hasty = [group.create_task(caught(publisher, a_message(n), n / 100)) for n in (1, 3)]
        patient = group.create_task(caught(publisher, a_message(9), 5))
        await until(lambda: all(task.done() for task in hasty))
        assert len(gate.waiting) == 1
        gate.open()

    assert all(isinstance(task.result(), PublishUnknown) for task in hasty)
    assert patient.result() is None


async def test_a_hasty_latecomer_shortens_the_wait_of_its_batch() -> None:
    """Its own time, not that of those who queue before it in the same batch."""
    gate = Gate()
    async with publishing(FakeBroker(gate), max_batch=3) as (publisher, group):
        for number in range(3 * SENDS):
            group.create_task(publisher.publish(a_message(number), 5))
        await until(lambda: len(gate.waiting) == SENDS)
        patient = [group.create_task(caught(publisher, a_message(n), 5)) for n in range(20, 26)]
        await turns()
        hasty = group.create_task(caught(publisher, a_message(30), 0.02))
        latest = group.create_task(caught(publisher, a_message(31), 0.01))
        await until(lambda: hasty.done() and latest.done())
        gate.open()

    assert isinstance(hasty.result(), BufferFull)
    assert isinstance(latest.result(), BufferFull)
    assert [task.result() for task in patient] == [None] * 6


async def test_a_neighbours_short_time_does_not_reject_who_waits_to_begin() -> None:
    """In the same queued batch, only who has no time left is refused."""
    gate = Gate()
    async with publishing(FakeBroker(gate), max_batch=2) as (publisher, group):
        for number in range(2 * SENDS):
            group.create_task(publisher.publish(a_message(number), 5))
        hasty = group.create_task(caught(publisher, a_message(8), 0.01))
        patient = group.create_task(caught(publisher, a_message(9), 5))
        await until(hasty.done)
        gate.open()

    assert isinstance(hasty.result(), BufferFull)
    assert patient.result() is None


async def test_private_copies_leave_beside_the_window_and_after_the_close() -> None:
    """Settling must not wait for publishers, nor end with them."""
    broker = FakeBroker()
    async with publishing(broker, window=1, max_batch=2) as (publisher, _):
        publisher.close()
        results = await publisher.send_now([a_message(n) for n in range(3)], 5)

    assert results == [CONFIRMED] * 3
    assert broker.bodies == [[b"0", b"1"], [b"2"]]
