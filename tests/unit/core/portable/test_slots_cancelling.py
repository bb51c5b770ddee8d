"""Handlers that are cancelled, that cancel themselves, and that break their slot."""

from __future__ import annotations

import asyncio

from anymq.message import Delivery
from anymq.portable.slots import Slot
from tests.unit.core.doubles import a_delivery, turns, until
from tests.unit.core.portable.test_slots import COLOR, Handler, Stage, running


async def test_a_handler_can_be_cancelled_without_its_slot() -> None:
    """The abort is told with its reason; the same slot goes on with the next message."""
    handler = Handler()
    async with running(handler) as stage:
        stage.put(1)
        await until(lambda: handler.begun == [1])
        stage.slots.cancel([a_delivery(1)], "lost")
        handler.go.set()
        stage.put(2)
        await until(lambda: handler.ended == [2])

    assert stage.aborted == [([1], "lost")]
    assert len(stage.tasks) == 1


async def test_only_the_handlers_meant_are_cancelled() -> None:
    """Others of the same subscriber go on; an idle slot is not touched."""
    handler = Handler()
    async with running(handler, 3) as stage:
        stage.put(1, 2)
        await until(lambda: len(handler.begun) == 2)
        stage.slots.cancel([a_delivery(2), a_delivery(7)], "lost")
        await until(lambda: stage.aborted)
        handler.go.set()
        await until(lambda: handler.ended == [1])

    assert stage.aborted == [([2], "lost")]


async def test_cancelling_twice_is_cancelling_once() -> None:
    """The first reason stands, and the slot does not count two cancellations."""
    handler = Handler()
    async with running(handler) as stage:
        stage.put(1)
        await until(lambda: handler.begun)
        stage.slots.cancel(None, "shutdown")
        stage.slots.cancel(None, "lost")
        await until(lambda: stage.aborted)
        handler.go.set()
        stage.put(2)
        await until(lambda: handler.ended == [2])

    assert stage.aborted == [([1], "shutdown")]


async def test_a_handler_that_swallows_its_cancellation_leaves_the_slot_as_it_was() -> None:
    """The next handler in it can be cancelled, and sees no cancellation of its predecessor."""
    seen: list[int] = []
    entered = asyncio.Event()

    async def work(slot: Slot, delivery: Delivery) -> None:
        task = asyncio.current_task()
        assert task is not None
        seen.append(task.cancelling())
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if delivery.token != 1:
                raise

    async with running(work) as stage:
        for number in (1, 2, 3):
            entered.clear()
            stage.put(number)
            await entered.wait()
            stage.slots.cancel(None, "lost")
            await until(lambda: not stage.slots.running)

    assert seen == [0, 0, 0]
    assert stage.aborted == [([2], "lost"), ([3], "lost")]
    assert len(stage.tasks) == 1


async def test_a_handler_that_cancels_itself_from_inside_does_not_end_its_slot() -> None:
    """It calls what aborts handlers, and returns before anything was awaited."""
    handled: list[int] = []

    async def work(slot: Slot, delivery: Delivery) -> None:
        handled.append(delivery.token)
        if delivery.token == 1:
            stage.slots.cancel(None, "shutdown")

    async with running(work) as stage:
        stage.put(1)
        await turns()
        stage.put(2)
        await until(lambda: handled == [1, 2])


async def test_cancelling_the_slots_task_itself_ends_it() -> None:
    """That is no abort of a handler: its message is told as left by a shutdown."""
    handler = Handler()
    async with asyncio.TaskGroup() as group:
        stage = Stage(handler, group)
        stage.slots.resize(1)
        stage.put(1)
        await until(lambda: handler.begun)
        stage.tasks[0].cancel()
        assert await stage.slots.wait_idle(1)

    assert stage.tasks[0].cancelled()
    assert stage.aborted == [([1], "shutdown")]


async def test_an_abort_and_the_end_of_the_task_at_once_end_the_task() -> None:
    """The cancellation of the task is never mistaken for that of its handler."""
    handler = Handler()
    async with asyncio.TaskGroup() as group:
        stage = Stage(handler, group)
        stage.slots.resize(1)
        stage.put(1)
        await until(lambda: handler.begun)
        stage.slots.cancel(None, "lost")
        stage.tasks[0].cancel()

    assert stage.tasks[0].cancelled()


async def test_context_variables_are_restored_after_an_abort_too() -> None:
    """What a cancelled handler had set is gone."""
    seen: list[str] = []

    async def work(slot: Slot, delivery: Delivery) -> None:
        seen.append(COLOR.get())
        COLOR.set("dirty")
        if delivery.token == 1:
            await asyncio.Event().wait()

    async with running(work) as stage:
        stage.put(1)
        await until(lambda: seen)
        stage.slots.cancel(None, "lost")
        stage.put(2)
        await until(lambda: len(seen) == 2)

    assert seen == ["none", "none"]


async def test_a_timeout_inside_a_handler_works_after_an_abort() -> None:
    """``asyncio.timeout`` counts cancellations: those of earlier handlers must be gone."""
    results: list[str] = []

    async def work(slot: Slot, delivery: Delivery) -> None:
        if delivery.token == 1:
            await asyncio.Event().wait()
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            results.append("timeout")

    async with running(work) as stage:
        stage.put(1)
        await until(lambda: stage.slots.running)
        stage.slots.cancel(None, "lost")
        stage.put(2, 3)
        await until(lambda: len(results) == 2)


async def test_a_cancellation_that_nobody_asked_for_is_told_and_the_slot_goes_on() -> None:
    """Something the handler awaited was cancelled, not the handler."""
    handled: list[int] = []

    async def work(slot: Slot, delivery: Delivery) -> None:
        handled.append(delivery.token)
        if delivery.token == 1:
            raise asyncio.CancelledError

    async with running(work) as stage:
        stage.put(1, 2)
        await until(lambda: handled == [1, 2])

    assert (stage.strays, stage.aborted) == ([[1]], [])
    assert len(stage.tasks) == 1


async def test_only_what_was_lost_of_a_batch_is_lost() -> None:
    """Its handler is cancelled for all; those that are still ours are told to go back."""

    async def work(slot: Slot, delivery: Delivery) -> None:
        slot.deliveries += [a_delivery(2), a_delivery(3)]
        await asyncio.Event().wait()

    async with running(work) as stage:
        stage.put(1)
        await until(lambda: len(stage.slots.running) == 3)
        stage.slots.cancel([a_delivery(2)], "lost")
        await until(lambda: stage.aborted)

    assert stage.aborted == [([2], "lost"), ([1, 3], "shutdown")]


async def test_a_slot_that_breaks_is_told_with_what_it_held() -> None:
    """It is gone, and so is not counted as running: nobody waits for it."""

    async def work(slot: Slot, delivery: Delivery) -> None:
        await asyncio.sleep(0)
        raise LookupError("core could not go on")

    async with running(work, 2) as stage:
        stage.put(1)
        async with asyncio.TaskGroup() as group:
            await until(lambda: stage.slots.running)
            group.create_task(stage.slots.wait_idle(5))

    assert stage.crashes == [([1], "core could not go on")]
    assert stage.slots.running == []
