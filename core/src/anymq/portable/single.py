"""Runs a handler for one delivery at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from anymq.events import AppEvent
from anymq.message import Delivery
from anymq.outcome import ACK
from anymq.portable.buffer import Buffer
from anymq.portable.plan import SubscriberPlan
from anymq.portable.resolver import Resolver

if TYPE_CHECKING:
    from anymq.portable.slots import Slot

__all__ = ["SingleRunner"]


class SingleRunner:
    """From a delivery to its settlement, with the attempts that follow at once in between."""

    def __init__(
        self,
        plan: SubscriberPlan,
        resolver: Resolver,
        buffer: Buffer,
        tell: Callable[[AppEvent], None],
    ) -> None:
        self._call = plan.call
        self._resolver = resolver
        self.run = {
            "after": self._run_after,
            "before": self._run_before,
            "manual": self._run_manual,
        }[plan.ack]

    async def _run_after(self, slot: Slot, delivery: Delivery) -> None:
        try:
            outcome = await self._call(delivery)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; that is its failure
            slot.check_cancelled(error)
            again = await self._resolver.failed(delivery, error)
            if again is not None:
                slot.deliveries[0] = again
                await self._run_after(slot, again)
            return
        if outcome is ACK:
            self._resolver.settle(delivery, outcome)
        else:
            await self._resolver.returned(delivery, outcome)

    async def _run_before(self, slot: Slot, delivery: Delivery) -> None:
        """At most once: acknowledged before the handler starts, whatever it does then."""
        self._resolver.settle(delivery, ACK)
        await self._resolver.settled()
        slot.is_settled = True
        try:
            await self._call(delivery)
        except Exception as error:  # noqa: BLE001 - at most once: told, never repeated
            slot.check_cancelled(error)
            await self._resolver.run_hooks(delivery, error)

    async def _run_manual(self, slot: Slot, delivery: Delivery) -> None:
        try:
            await self._call(delivery)
        except Exception as error:  # noqa: BLE001 - a failure counts unless it was settled already
            slot.check_cancelled(error)
            if delivery.is_ended:
                await self._resolver.run_hooks(delivery, error)
                return
            again = await self._resolver.failed(delivery, error)
            if again is not None:
                slot.deliveries[0] = again
                await self._run_manual(slot, again)
            return
        self._resolver.keep_manual(delivery)
