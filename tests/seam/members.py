"""Members of a group that come and go while they work, and the ledger of what they all did."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from anymq.abc import Subscription
from anymq.message import Delivery
from anymq.outcome import ACK, Settled, Settlement
from tests.seam.seam import CALL_S, OVER_S

__all__ = ["PREFETCH", "Ledger", "Member"]

PREFETCH = 4
"""How much a member may hold at a time."""
LONG_S = 3 * CALL_S
"""Longer than ``leave`` may take: a call that waits so long ends because ``stop`` wakes it."""


class Ledger:
    """What all members of a group did, in the order in which it happened."""

    def __init__(self) -> None:
        self.delivered: Counter[str] = Counter()
        self.settled: set[str] = set()
        self.after_settlement: list[str] = []
        """Ids delivered again although the backend had said that they were settled."""
        self._changed = asyncio.Event()

    def begin(self, deliveries: Sequence[Delivery]) -> None:
        """Handlers start on these."""
        self.delivered.update(delivery.id for delivery in deliveries)
        self.after_settlement += [d.id for d in deliveries if d.id in self.settled]
        self._changed.set()

    def finish(self, delivery: Delivery) -> None:
        """The backend said that this one is settled."""
        self.settled.add(delivery.id)
        self._changed.set()

    async def wait_settled(self, ids: Sequence[str], *, within_s: float) -> None:
        """Wait until all of these were settled. Fails when that takes too long."""
        wanted = set(ids)
        try:
            async with asyncio.timeout(within_s):
                while not wanted <= self.settled:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            missing = sorted(wanted - self.settled)
        else:
            missing = []
        assert not missing, f"not settled within {within_s} s: {missing}"


class Member:
    """Handles every delivery at once, but the very first, which it holds until ``let_go``."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._held: Delivery | None = None
        self._end = asyncio.Event()
        self._is_leaving = False
        self._takes_no_more = asyncio.Event()
        self.holding = asyncio.Event()
        """Set once it holds a delivery."""

    async def run(self, subscription: Subscription) -> None:
        """Work until ``leave``."""
        async with asyncio.TaskGroup() as handlers:
            while not self._is_leaving:
                came = list(await subscription.receive(max_messages=PREFETCH, wait_s=LONG_S))
                self._ledger.begin(came)
                if came and not self.holding.is_set():
                    handlers.create_task(self._hold(subscription, came.pop(0)))
                await self._settle(subscription, came)
            self._takes_no_more.set()

    def lost(self, deliveries: Sequence[Delivery]) -> None:
        """Give up the held delivery where it is somebody else's now: as core cancels a handler."""
        if self._held in deliveries:
            self._held = None
            self._end.set()

    def let_go(self) -> None:
        """Finish with the delivery that is held, unless it was lost."""
        self._end.set()

    async def leave(self, subscription: Subscription) -> None:
        """Leave the group in core's order: take nothing new, drop what is held, close."""
        self._is_leaving = True
        async with asyncio.timeout(CALL_S + OVER_S):
            await subscription.stop()
            await self._takes_no_more.wait()
        self._held = None
        self._end.set()
        async with asyncio.timeout(CALL_S + OVER_S):
            await subscription.aclose(timeout_s=CALL_S)

    async def _hold(self, subscription: Subscription, delivery: Delivery) -> None:
        self._held = delivery
        self.holding.set()
        await self._end.wait()
        if self._held is not None:
            await self._settle(subscription, [delivery])

    async def _settle(self, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        items = [Settlement(delivery, ACK) for delivery in deliveries]
        async with asyncio.timeout(CALL_S + OVER_S):
            results = await subscription.settle(items, timeout_s=CALL_S)
        for delivery, result in zip(deliveries, results, strict=True):
            if isinstance(result, Settled):
                self._ledger.finish(delivery)
