"""Intake: takes from the backend what fits, and sorts out what no handler must see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from anymq.abc import Subscription
from anymq.message import Delivery
from anymq.support.backoff import Backoff
from anymq.support.clock import Clock

__all__ = ["Intake"]

WAIT_S = 30.0
"""One receive waits this long at most; ``stop`` wakes it."""
EMPTY_TOO_SOON_S = 0.005


class Intake:
    """The receive loop of one subscription. ``held`` counts what is with us and unsettled."""

    def __init__(
        self,
        subscription: Subscription,
        *,
        prefetch: int,
        accept: Callable[[Sequence[Delivery]], None],
        refuse: Callable[[Sequence[Delivery]], None],
        clock: Clock,
    ) -> None:
        self._subscription = subscription
        self._accept = accept
        self._refuse = refuse
        self._clock = clock
        self.prefetch = prefetch
        self.held = 0
        self._gates: set[str] = set()
        self._changed: asyncio.Future[None] | None = None
        self._stopped = False

    @property
    def is_stopped(self) -> bool:
        """Nothing is taken any more."""
        return self._stopped

    async def run(self) -> None:
        """Receive until stopped. Raises what the plugin raises: core decides what that means."""
        clock, backoff = self._clock, Backoff(first_s=0.01, max_s=1.0)
        while not self._stopped:
            room = self.prefetch - self.held
            if room <= 0 or self._gates:
                await self._wait()
                continue
            began = clock.monotonic()
            fresh = await self._subscription.receive(max_messages=room, wait_s=WAIT_S)
            if fresh:
                self.held += len(fresh)
                backoff.reset()
                take = self._refuse if self.is_stopped else self._accept
                take(fresh)
            elif clock.monotonic() - began < EMPTY_TOO_SOON_S:
                # A plugin that returns empty at once must not make us spin.
                await clock.sleep(backoff.next_s())

    def release(self, count: int) -> None:
        """So many deliveries are settled or gone: there is room again."""
        self.held -= count
        self._wake()

    def close_gate(self, reason: str) -> None:
        """Take nothing more until every reason is gone again."""
        self._gates.add(reason)

    def open_gate(self, reason: str) -> None:
        """One reason less."""
        self._gates.discard(reason)
        self._wake()

    def resize(self, prefetch: int) -> None:
        """Hold at most so many from now on."""
        self.prefetch = prefetch
        self._wake()

    def stop(self) -> None:
        """End the loop after the receive that is running."""
        self._stopped = True
        self._wake()

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def _wait(self) -> None:
        self._changed = asyncio.get_running_loop().create_future()
        await self._changed
