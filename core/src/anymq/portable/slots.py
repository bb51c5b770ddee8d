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

    __slots__ = ("abort", "deliveries", "is_settled", "lost", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.deliveries: list[Delivery] = []
        self.abort: Abort | None = None
        self.lost: list[Delivery] = []
        """Those of a batch that are no longer ours, when its handler is cancelled for them."""
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
        on_stray: Callable[[Slot, asyncio.CancelledError], Awaitable[None]],
        on_crash: Callable[[list[Delivery], Exception], None],
    ) -> None:
        """``on_abort``: cancelled on purpose, and why. ``on_stray``: cancelled by nobody we know.
        ``on_crash``: what comes after a handler raised, so that the slot is gone."""
        self._buffer = buffer
        self._run_one = run_one
        self._spawn = spawn
        self._on_abort = on_abort
        self._on_stray = on_stray
        self._on_crash = on_crash
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
            gone = slot.deliveries
            if lost is not None:
                gone = [d for d in gone if any(d.token == other.token for other in lost)]
            if gone:
                slot.lost += gone
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
        try:
            await self._serve(slot)
        except Exception as error:  # noqa: BLE001 - a slot that is gone must be told, whatever it was
            deliveries = list(slot.deliveries)
            slot.deliveries.clear()
            self._slots.remove(slot)
            self._tell_ended()
            self._on_crash(deliveries, error)

    async def _serve(self, slot: Slot) -> None:
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
                try:
                    await run_one(slot, delivery)
                except asyncio.CancelledError as stray:
                    if slot.abort is not None or slot.task is None or slot.task.cancelling():
                        raise
                    await self._on_stray(slot, stray)
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
        # Of a batch only some may be lost: the others are still ours, and go back.
        lost, slot.lost = slot.lost, []
        if reason == "lost":
            tokens = [d.token for d in lost]
            self._on_abort([d for d in deliveries if d.token in tokens], "lost")
            self._on_abort([d for d in deliveries if d.token not in tokens], "shutdown")
        else:
            self._on_abort(deliveries, reason)

    async def _finished_anyway(self, slot: Slot) -> None:
        """The handler was cancelled and returned all the same: its outcome counts."""
        slot.deliveries.clear()
        # A handler that had itself cancelled and then awaited nothing has not met it yet.
        await asyncio.sleep(0)
        slot.abort, slot.lost = None, []
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
