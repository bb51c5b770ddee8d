"""The publisher's window, its batches of many, and its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anymq import BufferFull, ClosedError
from anymq.outcome import CONFIRMED, Rejected, SendResult, Unknown
from anymq.portable.publisher import SENDS
from tests.unit.core.doubles import FakeBroker, a_message, turns, until
from tests.unit.core.portable.test_publisher import Gate, publishing


async def test_a_full_window_makes_publishers_wait() -> None:
    """No more than the window are outstanding; who waits goes on when there is room."""
    gate = Gate()
    broker = FakeBroker(gate)
    async with publishing(broker, window=3) as (publisher, group):
        for number in range(5):
            group.create_task(publisher.publish(a_message(number), 5))
        await until(lambda: gate.waiting)
        await turns()
        assert broker.bodies == [[b"0", b"1", b"2"]]
        gate.open()

    assert sorted(b for batch in broker.bodies for b in batch) == [b"%d" % n for n in range(5)]


async def test_all_who_wait_for_room_go_on_as_soon_as_there_is_room_for_them() -> None:
    """A send of ten that ends makes room for ten: they leave together, not one by one."""
    gate = Gate()
    broker = FakeBroker(gate)
    async with publishing(broker, window=10) as (publisher, group):
        for number in range(20):
            group.create_task(publisher.publish(a_message(number), 5))
        await until(lambda: gate.waiting)
        gate.open()

    assert [len(batch) for batch in broker.sent] == [10, 10]


async def test_room_that_a_cancelled_publish_was_given_is_passed_on() -> None:
    """It does not go lost with whoever was woken for it."""
    gate = Gate()
    broker = FakeBroker(gate)
    async with publishing(broker, window=1) as (publisher, group):
        tasks = [group.create_task(publisher.publish(a_message(n), 5)) for n in range(3)]
        await until(lambda: gate.waiting)
        gate.is_open = True
        gate.let()
        await until(lambda: not publisher._outstanding)
        tasks[1].cancel()
        async with asyncio.timeout(1):
            await asyncio.wait(tasks)

    assert tasks[1].cancelled()
    assert tasks[2].result() is None


async def test_a_full_window_can_refuse_at_once() -> None:
    """``on_full="fail"`` never waits; the text says how many there are."""
    gate = Gate()
    async with publishing(FakeBroker(gate), window=2, on_full="fail") as (publisher, group):
        for number in range(2):
            group.create_task(publisher.publish(a_message(number), 5))
        await until(lambda: gate.waiting)
        with pytest.raises(BufferFull, match="2 messages wait") as caught:
            await publisher.publish(a_message(9), 5)
        gate.open()

    assert caught.value.code == "full"


async def test_waiting_for_room_ends_with_the_publishs_time() -> None:
    """It certainly was not stored then."""
    gate = Gate()
    async with publishing(FakeBroker(gate), window=1) as (publisher, group):
        group.create_task(publisher.publish(a_message(0), 5))
        await until(lambda: gate.waiting)
        with pytest.raises(BufferFull, match="none left within"):
            await publisher.publish(a_message(9), 0.01)
        gate.open()


async def test_many_have_one_result_each_in_order() -> None:
    """A rejected one hides none; an unknown one is repeated like any."""
    answers: list[list[SendResult]] = [[CONFIRMED, Rejected("invalid"), Unknown("?")], [CONFIRMED]]

    async def answer(messages: Any) -> list[SendResult]:
        return answers.pop(0)

    async with publishing(FakeBroker(answer)) as (publisher, _):
        results = await publisher.publish_many([a_message(n) for n in range(3)], 5)

    assert results == [CONFIRMED, Rejected("invalid"), CONFIRMED]


async def test_none_at_all_need_no_send() -> None:
    """An empty list has an empty list of results."""
    broker = FakeBroker()
    async with publishing(broker) as (publisher, _):
        assert await publisher.publish_many([], 5) == []
        assert await publisher.publish_many([], 5, atomic=True) == []

    assert broker.sent == []


@pytest.mark.parametrize("on_full", ["fail", "wait"])
async def test_a_full_window_hides_no_result_of_many(on_full: str) -> None:
    """Those that were sent have theirs; the rest is rejected as full, certainly not stored."""
    gate = Gate()
    broker = FakeBroker(gate)
    async with publishing(broker, window=2, max_batch=2, on_full=on_full) as (publisher, group):
        many = group.create_task(publisher.publish_many([a_message(n) for n in range(5)], 0.05))
        await turns()
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        if on_full == "fail":
            await until(lambda: gate.waiting)
            gate.open()
        else:
            await asyncio.wait([many], timeout=0.06)
            gate.open()

    first, rest = many.result()[:2], many.result()[2:]
    assert first == [CONFIRMED, CONFIRMED]
    assert [getattr(result, "code", None) for result in rest] == ["full"] * 3


async def test_an_atomic_batch_leaves_in_one_send() -> None:
    """However small the pieces are that others are cut into by what they share."""
    broker = FakeBroker()
    async with publishing(broker, max_batch=3) as (publisher, group):
        group.create_task(publisher.publish(a_message(9), 5))
        await turns(1)
        results = await publisher.publish_many([a_message(n) for n in range(3)], 5, atomic=True)

    assert results == [CONFIRMED] * 3
    assert [b"0", b"1", b"2"] in broker.bodies


async def test_an_atomic_batch_that_is_too_large_for_one_send_is_rejected_whole() -> None:
    """Two sends could not be all or none; a plugin is never given more than it takes."""
    broker = FakeBroker()
    async with publishing(broker, max_batch=2) as (publisher, _):
        results = await publisher.publish_many([a_message(n) for n in range(3)], 5, atomic=True)

    assert [getattr(result, "code", None) for result in results] == ["too_large"] * 3
    assert broker.sent == []


async def test_flush_waits_for_all_that_was_accepted() -> None:
    """And returns at once when there is nothing."""
    gate = Gate()
    async with publishing(FakeBroker(gate)) as (publisher, group):
        await publisher.flush()
        group.create_task(publisher.publish(a_message(), 5))
        await until(lambda: gate.waiting)
        flushing = [group.create_task(publisher.flush()) for _ in range(2)]
        await turns()
        assert not any(task.done() for task in flushing)
        gate.open()


async def test_after_close_nothing_is_accepted_and_what_was_still_leaves() -> None:
    """Until it is opened again."""
    gate = Gate()
    async with publishing(FakeBroker(gate), window=1) as (publisher, group):
        accepted = group.create_task(publisher.publish(a_message(0), 5))
        await until(lambda: gate.waiting)
        publisher.close()
        for closed in (publisher.publish(a_message(1), 5), publisher.publish_many([], 5)):
            with pytest.raises(ClosedError, match="closed"):
                await closed
        gate.open()
        await publisher.flush()
        assert accepted.result() is None
        publisher.reopen()
        await publisher.publish(a_message(2), 5)


async def test_nobody_waits_for_ever_when_the_sends_are_cancelled() -> None:
    """Those on their way end unknown; those still queued too, though nothing can be sent."""
    broker = FakeBroker(Gate())
    ends: list[Any] = []

    async def run() -> None:
        async with publishing(broker, max_batch=1) as (publisher, group):
            running.append(group)
            publishers.append(publisher)
            await asyncio.Event().wait()

    async def publish(number: int) -> None:
        try:
            await publishers[0].publish(a_message(number), 60)
        except Exception as error:  # noqa: BLE001 - any end will do, but it must come
            ends.append(error)

    running: list[Any] = []
    publishers: list[Any] = []
    async with asyncio.TaskGroup() as outer:
        owner = outer.create_task(run())
        await until(lambda: publishers)
        for number in range(SENDS + 2):
            outer.create_task(publish(number))
        await until(lambda: len(broker.sent) == SENDS)
        owner.cancel()
        async with asyncio.timeout(2):
            await until(lambda: len(ends) == SENDS + 2)
