"""LeaseKeeper: extends the leases of what is being worked on, and tells what was lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from anymq.message import Delivery
from anymq.support.clock import Clock

__all__ = ["Keeps", "LeaseKeeper"]


class Keeps(Protocol):
    """The part of a Subscription that extends leases."""

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]: ...


class LeaseKeeper:
    """Calls ``keep`` every third of the lease for everything that is unsettled.

    What waits in a buffer counts too: its lease must not burn before a handler has it.
    """

    def __init__(
        self,
        subscription: Keeps,
        lease_s: float,
        unsettled: Callable[[], Sequence[Delivery]],
        on_lost: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self._subscription = subscription
        self._interval_s = lease_s / 3
        self._unsettled = unsettled
        self._on_lost = on_lost

    async def run(self, clock: Clock) -> None:
        """Keep until cancelled."""
        while True:
            await clock.sleep(self._interval_s)
            held = self._unsettled()
            lost = await self._subscription.keep(held) if held else ()
            if lost:
                self._on_lost(lost)
