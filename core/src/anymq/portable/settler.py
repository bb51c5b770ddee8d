"""Settler: outcomes travel to the backend in batches, and each answer is accounted for.

What the plugin does not do itself becomes a confirmed send of a private copy, then an Ack: the
original is acknowledged only once the copy is safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from anymq.abc import Subscription
from anymq.emulation.outcomes import Emulation
from anymq.errors import ClosedError
from anymq.events import AppEvent, SettlementLost
from anymq.message import Message
from anymq.outcome import (
    ACK,
    SETTLED,
    STALE,
    Confirmed,
    SendResult,
    Settled,
    Settlement,
    SettleResult,
    SettleUnknown,
    Stale,
)
from anymq.support.backoff import Backoff

__all__ = ["SendMany", "Settler"]

SETTLE_TIMEOUT_S = 10.0
REPEAT_FOR_S = 60.0
"""How long a settlement that ended unknown is repeated before it counts as lost."""


class SendMany(Protocol):
    async def __call__(
        self, messages: Sequence[Message], timeout_s: float, /
    ) -> Sequence[SendResult]: ...


class _Repeat:
    """A settlement that did not come through yet."""

    __slots__ = ("backoff", "timer", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.backoff = Backoff(first_s=0.05, max_s=2.0)
        self.timer: asyncio.TimerHandle | None = None


class Settler:
    """Settles the deliveries of one subscription. ``add`` never waits."""

    def __init__(
        self,
        subscription: Subscription,
        emulation: Emulation,
        *,
        send: SendMany,
        on_settled: Callable[[Sequence[Settlement], SettleResult], None],
        tell: Callable[[AppEvent], None],
    ) -> None:
        self._subscription = subscription
        self._emulation = emulation
        self._send = send
        self._on_settled = on_settled
        self._tell = tell
        self._pending: list[Settlement] = []
        self._work: asyncio.Future[None] | None = None
        self._busy = False
        self._idle: list[asyncio.Future[None]] = []
        self._repeats: dict[int, _Repeat] = {}
        self.stale = 0

    def add(self, settlement: Settlement) -> None:
        """Have one delivery settled with the next batch."""
        self._pending.append(settlement)
        work = self._work
        if work is not None and not work.done():
            work.set_result(None)

    async def run(self) -> None:
        """Settle batch after batch, until cancelled."""
        while True:
            if not self._pending:
                self._busy = False
                if not self._repeats:
                    self._tell_idle()
                self._work = asyncio.get_running_loop().create_future()
                await self._work
            self._busy = True
            batch, self._pending = self._pending, []
            await self._settle(batch)

    async def flush(self, limit_s: float) -> bool:
        """Wait until nothing is left to settle; False when the time was up first."""
        if not self._pending and not self._busy and not self._repeats:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        try:
            async with asyncio.timeout(limit_s):
                await waiter
        except TimeoutError:
            return False
        return True

    async def _settle(self, batch: list[Settlement]) -> None:
        if self._emulation.covers(batch):
            copies, ready = self._emulation.split(batch)
            batch = ready + await self._send_copies(copies)
        if not batch:
            return
        results = await self._try(batch)
        if not self._repeats and results.count(SETTLED) == len(batch):  # as nearly always
            self._on_settled(batch, SETTLED)
            return
        for settlement, result in zip(batch, results, strict=True):
            if result is SETTLED or isinstance(result, Settled):
                self._repeats.pop(id(settlement.delivery), None)
                self._on_settled((settlement,), result)
            elif isinstance(result, SettleUnknown):
                self._again(settlement, result)
            else:
                self._lose(settlement, result)

    async def _send_copies(self, copies: Sequence[tuple[Settlement, Message]]) -> list[Settlement]:
        """Send private copies; returns the Acks of the originals whose copy is confirmed."""
        if not copies:
            return []
        results = await self._send([message for _, message in copies], SETTLE_TIMEOUT_S)
        confirmed: list[Settlement] = []
        for (settlement, _), result in zip(copies, results, strict=True):
            if isinstance(result, Confirmed):
                confirmed.append(Settlement(settlement.delivery, ACK))
            else:
                self._again(settlement, SettleUnknown(f"its copy was not confirmed: {result}"))
        return confirmed

    async def _try(self, batch: list[Settlement]) -> Sequence[SettleResult]:
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S + 0.5):
                results = await self._subscription.settle(batch, timeout_s=SETTLE_TIMEOUT_S)
        except TimeoutError:
            return [SettleUnknown("no answer in time")] * len(batch)
        except ClosedError:
            return [STALE] * len(batch)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises, nothing is known
            return [SettleUnknown(f"{type(error).__name__}: {error}")] * len(batch)
        if len(results) != len(batch):
            return [SettleUnknown(f"{len(results)} answers for {len(batch)}")] * len(batch)
        return results

    def _again(self, settlement: Settlement, result: SettleUnknown) -> None:
        """Repeat a settlement later (it is idempotent: the token stays), for a bounded time."""
        loop = asyncio.get_running_loop()
        repeat = self._repeats.get(id(settlement.delivery))
        if repeat is None:
            repeat = self._repeats[id(settlement.delivery)] = _Repeat(loop.time() + REPEAT_FOR_S)
        if loop.time() >= repeat.until:
            self._lose(settlement, result)
            return
        repeat.timer = loop.call_later(repeat.backoff.next_s(), self.add, settlement)

    def _lose(self, settlement: Settlement, result: SettleResult) -> None:
        """Count and tell, once, that a settlement did not take effect; nobody is interrupted."""
        self.stale += 1
        self._repeats.pop(id(settlement.delivery), None)
        delivery = settlement.delivery
        reason = "no longer ours" if isinstance(result, Stale) else getattr(result, "reason", "")
        self._on_settled((settlement,), result)
        self._tell(SettlementLost(delivery.topic, delivery.group, delivery.id, reason))

    def _tell_idle(self) -> None:
        for waiter in self._idle:
            if not waiter.done():
                waiter.set_result(None)
        self._idle.clear()
