"""One member of some groups of a space."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from anymq.abc import Subscription
from anymq.abc.broker import OnLost
from anymq.errors import ClosedError
from anymq.memory.group import Group, Item, Waiting
from anymq.memory.space import Space, Waiter
from anymq.message import Delivery
from anymq.outcome import (
    SETTLED,
    STALE,
    Ack,
    DeadLetter,
    Release,
    Retry,
    Settlement,
    SettleResult,
)
from anymq.support.clock import Clock, TimerHandle

__all__ = ["MemorySubscription"]


class MemorySubscription(Subscription):
    """Takes from its groups in turn; what it holds has a lease each."""

    def __init__(
        self,
        space: Space,
        groups: Sequence[Group],
        *,
        prefetch: int,
        lease_s: float,
        clock: Clock,
        on_lost: OnLost,
        on_close: Callable[[MemorySubscription], None],
    ) -> None:
        self._space = space
        self._groups = deque(groups)
        self._prefetch = prefetch
        self._lease_s = lease_s
        self._clock = clock
        self._on_lost = on_lost
        self._on_close = on_close
        self._tokens = space.tokens
        self._held: dict[int, tuple[Delivery, Group]] = {}
        self._leases: dict[int, float] = {}
        self._sweep: TimerHandle | None = None
        self._waiter: Waiter | None = None
        self._paused = self._stopped = self._closed = False
        with space.lock:
            for group in groups:
                group.members += 1
                group.idle_since = None

    @property
    def groups(self) -> Iterable[Group]:
        """The groups it reads."""
        return tuple(self._groups)

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        deadline = self._clock.monotonic() + wait_s
        while True:
            if self._closed:
                raise ClosedError("this subscription is closed")
            if not self._stopped and not self._paused:
                taken = self._take(min(max_messages, self._prefetch - len(self._held)))
                if taken:
                    return taken
            rest = deadline - self._clock.monotonic()
            if rest <= 0 or self._stopped:
                return []
            await self._wait(rest)

    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        with self._space.lock:
            touched: dict[Group, None] = {}
            return_values = [self._settle_one(item, touched) for item in items]
            if touched:
                self._space.wake(touched)
        self._wake_self()
        return return_values

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        until = self._clock.monotonic() + self._lease_s
        lost = []
        for delivery in deliveries:
            if delivery.token in self._held:
                self._leases[delivery.token] = until
            else:
                lost.append(delivery)
        return lost

    async def pause(self) -> None:
        self._paused = True

    async def resume(self) -> None:
        self._paused = False
        self._wake_self()

    async def stop(self) -> None:
        self._stopped = True
        self._wake_self()

    async def aclose(self, *, timeout_s: float) -> None:
        self._leave(uncounted=True)

    def abandon(self) -> None:
        """Vanish as a killed process does: nothing settled, all of it comes again, counted."""
        self._leave(uncounted=False)

    def _leave(self, *, uncounted: bool) -> None:
        if self._closed:
            return
        self._closed = self._stopped = True
        with self._space.lock:
            for delivery, group in reversed(self._held.values()):
                group.give_back(delivery, uncounted=uncounted)
            self._held.clear()
            self._leases.clear()
            for group in self._groups:
                group.members -= 1
                if not group.members:
                    group.idle_since = self._clock.monotonic()
            self._space.wake(self._groups)
        if self._sweep is not None:
            self._sweep.cancel()
        self._on_close(self)
        self._wake_self()

    def _take(self, limit: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        if limit <= 0:
            return deliveries
        now = self._clock.time()
        until = self._clock.monotonic() + self._lease_s
        with self._space.lock:
            for _ in range(len(self._groups)):
                group = self._groups[0]
                self._groups.rotate(-1)
                items: list[Item] = []
                group.take(limit - len(deliveries), now, items)
                deliveries.extend(self._hold(item, group, until) for item in items)
                if len(deliveries) >= limit:
                    # We may have been woken for a group that we did not come to.
                    self._space.wake(left for left in self._groups if left.waiting)
                    break
        if self._held and self._sweep is None:
            self._sweep = self._clock.call_later(self._lease_s, self._expire)
        return deliveries

    def _hold(self, item: Item, group: Group, until: float) -> Delivery:
        token = next(self._tokens)
        if isinstance(item, Waiting):
            delivery = Delivery(
                item.message, group.name, token, None, item.deliveries + 1, item.redelivered
            )
        else:
            delivery = Delivery(item, group.name, token, None, 1)
        self._held[token] = (delivery, group)
        self._leases[token] = until
        return delivery

    def _settle_one(self, item: Settlement, touched: dict[Group, None]) -> SettleResult:
        token = item.delivery.token
        held = self._held.pop(token, None)
        if held is None:
            return STALE
        del self._leases[token]
        delivery, group = held
        outcome = item.outcome
        if isinstance(outcome, Release):
            group.give_back(delivery, uncounted=True)
        else:
            group.free(delivery)
        if isinstance(outcome, Retry):
            message = item.message or delivery.message
            again = Waiting(message, 0, redelivered=True)
            group.push_delayed(again, self._clock.time() + (outcome.delay_s or 0.0))
        elif isinstance(outcome, DeadLetter):
            message = item.message or delivery.message
            group.dead[message.id] = message
        if not isinstance(outcome, Ack) or group.by_key:
            touched[group] = None
        return SETTLED

    def _expire(self) -> None:
        """Give back what nobody kept; look again when the next lease ends."""
        self._sweep = None
        now = self._clock.monotonic()
        with self._space.lock:
            ended = [token for token, until in self._leases.items() if until <= now]
            lost = [self._held.pop(token) for token in ended]
            for token in ended:
                del self._leases[token]
            for delivery, group in reversed(lost):
                group.give_back(delivery, uncounted=False)
            self._space.wake({group: None for _, group in lost})
        if lost:
            self._on_lost([delivery for delivery, _ in lost])
        if self._leases:
            delay = min(self._leases.values()) - now
            self._sweep = self._clock.call_later(delay, self._expire)

    async def _wait(self, rest_s: float) -> None:
        """Wait for new messages, room, a due moment, or ``rest_s``; pass a missed wake-up on."""
        waiter = self._waiter = Waiter()
        due = rest_s
        with self._space.lock:
            for group in self._groups:
                self._space.waiters.setdefault(group, deque()).append(waiter)
                moment = group.next_due()
                if moment is not None and not self._paused:
                    due = min(due, max(0.0, moment - self._clock.time()))
        timer = self._clock.call_later(due, waiter.wake)
        try:
            await waiter.future
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise
        finally:
            timer.cancel()
            self._waiter = None
            self._forget(waiter)

    def _pass_on(self, waiter: Waiter) -> None:
        with self._space.lock:
            self._space.wake(self._groups)

    def _forget(self, waiter: Waiter) -> None:
        with self._space.lock:
            for group in self._groups:
                queue = self._space.waiters.get(group)
                if queue is not None and waiter in queue:
                    queue.remove(waiter)

    def _wake_self(self) -> None:
        if self._waiter is not None:
            self._waiter.wake()
