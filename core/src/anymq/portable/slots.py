"""Slots: long-lived tasks that await handlers in place, one delivery at a time each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from time import monotonic
from typing import Any

from anymq.message import Delivery
from anymq.portable.buffer import Buffer

__all__ = ["Abort", "Slot", "Slots"]

YIELD_AFTER = 64
YIELD_AFTER_S = 0.005
"""A slot gives the loop a turn after so many messages, or so long: others must get theirs."""

Abort = str
"""Why a running handler is cancelled: "lost" (no longer ours) or "shutdown"."""
Spawn = Callable[[Coroutine[Any, Any, None], Context], "asyncio.Task[None]"]


class Slot:
    """One running handler, or none."""

    __slots__ = ("abort", "deliveries", "is_settled", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.deliveries: list[Delivery] = []
        self.abort: Abort | None = None
        self.is_settled = False
        """The deliveries are acknowledged already (ack="before"): there is nothing to give back."""

    def cancel(self, reason: Abort) -> None:
        """Cancel the handler that runs here, not the slot."""
        if self.deliveries and self.abort is None and self.task is not None:
            self.abort = reason
            self.task.cancel()

    def check_cancelled(self, error: Exception) -> None:
        """Raise CancelledError if the handler raised because it was cancelled, under any name."""
        if self.abort is not None:
            raise asyncio.CancelledError from error


class Slots:
    """As many slots as the subscriber's concurrency, changeable at run time."""

    def __init__(
        self,
        buffer: Buffer,
        run_one: Callable[[Slot, Delivery], Awaitable[None]],
        *,
        spawn: Spawn,
        on_abort: Callable[[list[Delivery], Abort], None],
    ) -> None:
        self._buffer = buffer
        self._run_one = run_one
        self._spawn = spawn
        self._on_abort = on_abort
        self._context = copy_context()
        self._size = 0
        self._slots: list[Slot] = []
        self._ended: list[asyncio.Future[None]] = []

    @property
    def running(self) -> list[Delivery]:
        """Deliveries that handlers have at this moment."""
        return [delivery for slot in self._slots for delivery in slot.deliveries]

    @property
    def unsettled(self) -> list[Delivery]:
        """Of these, the ones that have no outcome yet."""
        return [d for slot in self._slots if not slot.is_settled for d in slot.deliveries]

    def resize(self, size: int) -> None:
        """Have so many slots from now on; those too many end once they are free."""
        self._size = size
        while len(self._slots) < size:
            self._begin(Slot())
        self._buffer.wake(len(self._slots))

    def cancel(self, lost: list[Delivery] | None, reason: Abort) -> None:
        """Cancel the handlers of some deliveries, or (None) all."""
        for slot in self._slots:
            if lost is None or any(d.token == o.token for d in slot.deliveries for o in lost):
                slot.cancel(reason)

    async def wait_idle(self, limit_s: float) -> bool:
        """Wait until no handler runs; False when the time was up first."""
        if not self.running:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended.append(waiter)
        try:
            async with asyncio.timeout(limit_s):
                await waiter
        except TimeoutError:
            return False
        return True

    def _begin(self, slot: Slot) -> None:
        self._slots.append(slot)
        # Each slot begins in a copy of the context that the consumer was started in.
        slot.task = self._spawn(self._run(slot), self._context.copy())

    async def _run(self, slot: Slot) -> None:
        buffer, ready = self._buffer, self._buffer.ready
        run_one = self._run_one
        handled, since = 0, monotonic()
        before = copy_context()
        while len(self._slots) <= self._size:
            if not ready:
                await buffer.wait()
                handled, since = 0, monotonic()
                continue
            delivery = ready.popleft()
            slot.deliveries.append(delivery)
            try:
                await run_one(slot, delivery)
                if slot.abort is not None:
                    await self._finished_anyway(slot)
            except asyncio.CancelledError:
                self._aborted(slot)
            slot.deliveries.clear()
            slot.is_settled = False
            if self._ended:
                self._tell_ended()
            if copy_context() != before:
                break
            handled += 1
            if handled >= YIELD_AFTER or monotonic() - since > YIELD_AFTER_S:
                await asyncio.sleep(0)
                handled, since = 0, monotonic()
        self._end(slot)

    def _aborted(self, slot: Slot) -> None:
        """Tell a handler that was cancelled on purpose from a slot that is; the latter goes on."""
        reason, slot.abort = slot.abort, None
        deliveries = [] if slot.is_settled else list(slot.deliveries)
        task = slot.task
        if reason is None or task is None or task.uncancel() > 0:
            self._on_abort(deliveries, "shutdown")
            slot.deliveries.clear()
            self._tell_ended()
            raise asyncio.CancelledError
        self._on_abort(deliveries, reason)

    async def _finished_anyway(self, slot: Slot) -> None:
        """The handler was cancelled and returned all the same: its outcome counts."""
        slot.deliveries.clear()
        # A handler that had itself cancelled and then awaited nothing has not met it yet.
        await asyncio.sleep(0)
        slot.abort = None
        if slot.task is not None:
            slot.task.uncancel()

    def _end(self, slot: Slot) -> None:
        """Leave; begin anew if still wanted (the handler had changed context variables)."""
        self._slots.remove(slot)
        if len(self._slots) < self._size:
            self._begin(Slot())
        if self._buffer.ready:
            self._buffer.wake(1)

    def _tell_ended(self) -> None:
        if not self.running:
            for waiter in self._ended:
                if not waiter.done():
                    waiter.set_result(None)
            self._ended.clear()
