"""What was received and not yet started: a queue that lets one message per key run at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from anymq.message import Delivery
from anymq.support.clock import Clock, TimerHandle

__all__ = ["Buffer"]


class Buffer:
    """Deliveries between intake and slots. Its size is bounded by the intake's prefetch."""

    def __init__(self, clock: Clock, *, by_key: bool) -> None:
        self.clock = clock
        self._by_key = by_key
        self.ready: deque[Delivery] = deque()
        self._behind: dict[str, deque[Delivery]] = {}
        """Keys that are being handled, each with what waits behind it."""
        self._held: dict[int, tuple[Delivery, TimerHandle]] = {}
        self._idle: deque[asyncio.Future[None]] = deque()

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """Add new deliveries in their order."""
        if not self._by_key:
            self.ready.extend(deliveries)
        else:
            for delivery in deliveries:
                self._put_ordered(delivery)
        self.wake(len(self.ready))

    def put_first(self, delivery: Delivery) -> None:
        """Add a delivery that goes before all others; its key stays taken."""
        self.ready.appendleft(delivery)
        self.wake(1)

    def hold(self, delivery: Delivery, delay_s: float) -> None:
        """Bring a delivery back after a delay, its key taken all the while."""
        timer = self.clock.call_later(delay_s, lambda: self._ripe(delivery))
        self._held[id(delivery)] = (delivery, timer)

    def finished(self, delivery: Delivery) -> None:
        """A delivery has its outcome: the next one of its key may start."""
        key = delivery.message.key
        if not self._by_key or key is None:
            return
        behind = self._behind.get(key)
        if behind:
            self.put_first(behind.popleft())
        else:
            self._behind.pop(key, None)

    def remove(self, lost: Sequence[Delivery]) -> list[Delivery]:
        """Take out deliveries that are no longer ours; returns those that were still here."""
        found = [d for d in self.all() if any(d.token == other.token for other in lost)]
        for delivery in found:
            self._discard(delivery)
        return found

    def drain(self) -> list[Delivery]:
        """Take out everything, in order."""
        everything = self.all()
        heads = [*self.ready, *(delivery for delivery, _ in self._held.values())]
        for _, timer in self._held.values():
            timer.cancel()
        self._held.clear()
        self.ready.clear()
        for behind in self._behind.values():
            behind.clear()
        for delivery in heads:
            # Its key is free again; keys of running handlers stay taken until they have finished.
            self._behind.pop(delivery.message.key or "", None)
        return everything

    def wake(self, count: int) -> None:
        """Wake up to ``count`` waiting slots."""
        idle = self._idle
        while idle and count > 0:
            waiter = idle.popleft()
            if not waiter.done():
                _finish(waiter)
                count -= 1

    async def wait(self, limit_s: float | None = None) -> None:
        """Wait until woken: something is ready, or the pool wants the slot to look around."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        timer = None
        if limit_s is not None:
            timer = self.clock.call_later(limit_s, lambda: _finish(waiter))
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()

    def __len__(self) -> int:
        return len(self.ready) + len(self._held) + sum(map(len, self._behind.values()))

    def _put_ordered(self, delivery: Delivery) -> None:
        key = delivery.message.key
        if key is None:
            self.ready.append(delivery)
        elif key in self._behind:
            self._behind[key].append(delivery)
        else:
            self._behind[key] = deque()
            self.ready.append(delivery)

    def _ripe(self, delivery: Delivery) -> None:
        if self._held.pop(id(delivery), None) is not None:
            self.put_first(delivery)

    def all(self) -> list[Delivery]:
        """Everything that is here, what may start first at the front."""
        behind = [delivery for queue in self._behind.values() for delivery in queue]
        return [*self.ready, *(delivery for delivery, _ in self._held.values()), *behind]

    def _discard(self, delivery: Delivery) -> None:
        held = self._held.pop(id(delivery), None)
        if held is not None:
            held[1].cancel()
            self.finished(delivery)
        elif delivery in self.ready:
            self.ready.remove(delivery)
            self.finished(delivery)
        else:
            for queue in self._behind.values():
                if delivery in queue:
                    queue.remove(delivery)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
