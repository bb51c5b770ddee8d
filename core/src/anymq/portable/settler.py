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
from anymq.errors import AnyMQError
from anymq.events import AppEvent, SettlementLost
from anymq.message import Message
from anymq.outcome import (
    ACK,
    SETTLED,
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
ATTEMPTS = 5
"""How often an unknown settlement is repeated: it is idempotent, the token being the same."""


class SendMany(Protocol):
    async def __call__(
        self, messages: Sequence[Message], timeout_s: float, /
    ) -> Sequence[SendResult]: ...


class Settler:
    """Settles the deliveries of one subscription. ``add`` never waits."""

    def __init__(
        self,
        subscription: Subscription,
        emulation: Emulation,
        *,
        send: SendMany,
        on_settled: Callable[[Settlement, SettleResult], None],
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
                self._tell_idle()
                self._work = asyncio.get_running_loop().create_future()
                await self._work
            self._busy = True
            batch, self._pending = self._pending, []
            await self._settle(batch)

    async def flush(self, limit_s: float) -> bool:
        """Wait until nothing is left to settle; False when the time was up first."""
        if not self._pending and not self._busy:
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
        if not self._emulation.covers(batch):
            await self._settle_plain(batch)
            return
        copies, ready = self._emulation.split(batch)
        confirmed = await self._send_copies(copies)
        await self._settle_plain(ready + confirmed)

    async def _send_copies(self, copies: Sequence[tuple[Settlement, Message]]) -> list[Settlement]:
        """Send private copies; returns the Acks of the originals whose copy is confirmed."""
        results = await self._send([message for _, message in copies], SETTLE_TIMEOUT_S)
        confirmed: list[Settlement] = []
        for (settlement, _), result in zip(copies, results, strict=True):
            if isinstance(result, Confirmed):
                confirmed.append(Settlement(settlement.delivery, ACK))
            else:
                self._lose(settlement, SettleUnknown(f"its copy was not confirmed: {result}"))
        return confirmed

    async def _settle_plain(self, batch: list[Settlement]) -> None:
        backoff = Backoff(first_s=0.05, max_s=2.0)
        while batch:
            results = await self._try(batch)
            unknown = []
            for settlement, result in zip(batch, results, strict=True):
                if result is SETTLED or isinstance(result, Settled):
                    self._on_settled(settlement, result)
                elif isinstance(result, SettleUnknown) and backoff.attempts < ATTEMPTS:
                    unknown.append(settlement)
                else:
                    self._lose(settlement, result)
            batch = unknown
            if batch:
                await asyncio.sleep(backoff.next_s())

    async def _try(self, batch: list[Settlement]) -> Sequence[SettleResult]:
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S + 0.5):
                return await self._subscription.settle(batch, timeout_s=SETTLE_TIMEOUT_S)
        except TimeoutError:
            return [SettleUnknown("no answer in time")] * len(batch)
        except AnyMQError as error:
            return [SettleUnknown(f"{error.code}: {error}")] * len(batch)

    def _lose(self, settlement: Settlement, result: SettleResult) -> None:
        """Count and tell, once, that a settlement did not take effect; nobody is interrupted."""
        self.stale += 1
        delivery = settlement.delivery
        reason = "no longer ours" if isinstance(result, Stale) else getattr(result, "reason", "")
        self._on_settled(settlement, result)
        self._tell(SettlementLost(delivery.topic, delivery.group, delivery.id, reason))

    def _tell_idle(self) -> None:
        for waiter in self._idle:
            if not waiter.done():
                waiter.set_result(None)
        self._idle.clear()
