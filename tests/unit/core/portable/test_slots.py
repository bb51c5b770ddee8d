"""Slots: long-lived tasks that await handlers in place."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from anymq.message import Delivery
from anymq.portable.buffer import Buffer
from anymq.portable.slots import YIELD_AFTER, Slot, Slots
from anymq.testing.fake_clock import FakeClock
from tests.unit.core.doubles import a_delivery, turns, until

Work = Callable[[Slot, Delivery], Awaitable[None]]
COLOR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOR", default="none")


class Stage:
    """Slots on a buffer, and what became of what they were given."""

    def __init__(self, work: Work, group: asyncio.TaskGroup) -> None:
        self.buffer = Buffer(FakeClock(), by_key=False)
        self.aborted: list[tuple[list[int], str]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._group = group
        self.strays: list[list[int]] = []
        self.crashes: list[tuple[list[int], str]] = []
        self.slots = Slots(
            self.buffer,
            work,
            spawn=self._spawn,
            on_abort=self._aborted,
            on_stray=self._strayed,
            on_crash=self._crashed,
        )

    def put(self, *numbers: int) -> None:
        self.buffer.put([a_delivery(number) for number in numbers])

    def _spawn(
        self, work: Coroutine[Any, Any, None], context: contextvars.Context
    ) -> asyncio.Task[None]:
        task = self._group.create_task(work, context=context)
        self.tasks.append(task)
        return task

    def _aborted(self, deliveries: list[Delivery], reason: str) -> None:
        if deliveries:
            self.aborted.append(([delivery.token for delivery in deliveries], reason))

    async def _strayed(self, slot: Slot, stray: asyncio.CancelledError) -> None:
        self.strays.append([delivery.token for delivery in slot.deliveries])

    def _crashed(self, deliveries: list[Delivery], error: Exception) -> None:
        self.crashes.append(([delivery.token for delivery in deliveries], str(error)))


@asynccontextmanager
async def running(work: Work, size: int = 1) -> AsyncIterator[Stage]:
    """A stage with so many slots; all of them end with the block."""
    async with asyncio.TaskGroup() as group:
        stage = Stage(work, group)
        stage.slots.resize(size)
        yield stage
        stage.slots.resize(0)
        stage.buffer.wake(100)


class Handler:
    """Waits in every call until it is let through; remembers what it was given."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.go = asyncio.Event()

    async def __call__(self, slot: Slot, delivery: Delivery) -> None:
        self.begun.append(delivery.token)
        await self.go.wait()
        self.ended.append(delivery.token)


async def test_so_many_handlers_run_at_once() -> None:
    """As many as there are slots, in order of arrival."""
    handler = Handler()
    async with running(handler, 2) as stage:
        stage.put(1, 2, 3)
        await until(lambda: handler.begun == [1, 2])
        assert [d.token for d in stage.slots.running] == [1, 2]
        handler.go.set()
        await until(lambda: sorted(handler.ended) == [1, 2, 3])


async def test_more_slots_begin_at_once() -> None:
    """What waits starts without anything else happening."""
    handler = Handler()
    async with running(handler, 1) as stage:
        stage.put(1, 2, 3)
        await until(lambda: handler.begun == [1])
        stage.slots.resize(3)
        await until(lambda: handler.begun == [1, 2, 3])
        handler.go.set()


async def test_fewer_slots_leave_running_handlers_alone() -> None:
    """Slots that are too many end once they are free, the handlers in them untouched."""
    handler = Handler()
    async with running(handler, 3) as stage:
        stage.put(1, 2, 3)
        await until(lambda: len(handler.begun) == 3)
        stage.slots.resize(1)
        stage.put(4, 5)
        await turns()
        assert handler.begun == [1, 2, 3]
        handler.go.set()
        await until(lambda: sorted(handler.ended) == [1, 2, 3, 4, 5])
        assert sum(not task.done() for task in stage.tasks) == 1


async def test_idle_slots_that_are_too_many_end() -> None:
    """Without a message that would wake them."""
    async with running(Handler(), 5) as stage:
        await turns()
        stage.slots.resize(2)
        await turns()

        assert sum(not task.done() for task in stage.tasks) == 2


async def test_context_variables_of_a_handler_are_not_its_successors() -> None:
    """Each message starts with the context in which the consumer was started."""
    seen: list[str] = []

    async def work(slot: Slot, delivery: Delivery) -> None:
        seen.append(COLOR.get())
        COLOR.set(f"set by {delivery.token}")

    COLOR.set("outer")
    async with running(work) as stage:
        stage.put(1, 2, 3)
        await until(lambda: len(seen) == 3)

    assert seen == ["outer"] * 3
    assert COLOR.get() == "outer"


async def test_a_full_buffer_does_not_keep_others_from_running() -> None:
    """Handlers that never wait still give the loop a turn after so many messages."""
    counted: list[int] = []
    seen_by_other: list[int] = []

    async def work(slot: Slot, delivery: Delivery) -> None:
        counted.append(delivery.token)

    async def other() -> None:
        while len(counted) < 10 * YIELD_AFTER:
            seen_by_other.append(len(counted))
            await asyncio.sleep(0)

    async with running(work) as stage:
        stage.put(*range(10 * YIELD_AFTER))
        await other()

    assert len(seen_by_other) >= 10


async def test_waiting_for_idle_ends_when_the_last_handler_has_ended() -> None:
    """And at once when none runs."""
    handler = Handler()
    async with running(handler, 2) as stage:
        assert await stage.slots.wait_idle(0)
        stage.put(1, 2)
        await until(lambda: len(handler.begun) == 2)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(stage.slots.wait_idle(5))
            await turns()
            assert not waiting.done()
            handler.go.set()

        assert waiting.result()


async def test_waiting_for_idle_has_a_limit() -> None:
    """False when a handler still runs then; it can be waited for again."""
    handler = Handler()
    async with running(handler) as stage:
        stage.put(1)
        await until(lambda: handler.begun)
        assert not await stage.slots.wait_idle(0.001)
        handler.go.set()
        assert await stage.slots.wait_idle(5)
