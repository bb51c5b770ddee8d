"""The mover: carries messages down the delay ladder. Runs in every open App that needs it."""

from __future__ import annotations

from collections.abc import Sequence

from anymq.abc import Broker, Subscription
from anymq.emulation.delay import (
    BUCKETS_S,
    MOVER_GROUP,
    due_at,
    ladder_topic,
    leave,
    move,
    ready_at,
)
from anymq.errors import AnyMQError, ClosedError
from anymq.message import Delivery
from anymq.outcome import ACK, Confirmed, Settlement
from anymq.portable.send_batch import send_once
from anymq.support.backoff import Backoff
from anymq.support.clock import Clock
from anymq.topology import Source

__all__ = ["Mover", "subscribe_mover"]

PREFETCH = 200
WAIT_S = 30.0
TIMEOUT_S = 10.0


class Mover:
    """One bucket of the ladder: first in, first out, so the head alone tells how long to wait."""

    def __init__(
        self, broker: Broker, bucket_s: int, *, clock: Clock, lease_s: float | None
    ) -> None:
        self._broker = broker
        self._bucket_s = bucket_s
        self._clock = clock
        self._pause_s = 1.0 if lease_s is None else min(1.0, lease_s / 3)

    async def run(self, subscription: Subscription) -> None:
        """Move until the subscription ends or the task is cancelled."""
        held: list[Delivery] = []
        backoff = Backoff(max_s=5.0)
        while True:
            wait_s = self._wait_s(held)
            room = PREFETCH - len(held)
            try:
                fresh = await subscription.receive(max_messages=room, wait_s=wait_s) if room else ()
                held += fresh
                lost = {id(delivery) for delivery in await subscription.keep(held)}
                held = [delivery for delivery in held if id(delivery) not in lost]
                left = await self._move_ripe(subscription, held)
                if self._wait_s(left) > 0 or not left:
                    backoff.reset()
                else:  # not confirmed: no faster than the backend takes it
                    await self._clock.sleep(backoff.next_s())
                held = left
            except ClosedError:
                return
            except AnyMQError:
                # The plugin reconnects by itself; what was held comes again from the backend.
                await self._clock.sleep(backoff.next_s())
            if not room:
                await self._clock.sleep(wait_s)

    def _wait_s(self, held: Sequence[Delivery]) -> float:
        if not held:
            return WAIT_S
        next_at = min(self._ripe_at(delivery) for delivery in held)
        return min(max(0.0, next_at - self._clock.time()), self._pause_s)

    def _ripe_at(self, delivery: Delivery) -> float:
        """When it can go: after its stay; but what is due within a second stays to the end."""
        moment, due = ready_at(delivery.message, self._bucket_s), due_at(delivery.message)
        # Its stay may have been over long before anybody came.
        moment = min(max(moment, self._clock.time()), due)
        return due if due - moment < BUCKETS_S[0] else moment

    async def _move_ripe(self, subscription: Subscription, held: list[Delivery]) -> list[Delivery]:
        now = self._clock.time()
        ripe = [delivery for delivery in held if self._ripe_at(delivery) <= now]
        if not ripe:
            return held
        copies = [
            leave(d.message) if due_at(d.message) <= now else move(d.message, now) for d in ripe
        ]
        results = await send_once(self._broker, copies, TIMEOUT_S)
        moved = [
            d for d, result in zip(ripe, results, strict=True) if isinstance(result, Confirmed)
        ]
        await subscription.settle([Settlement(d, ACK) for d in moved], timeout_s=TIMEOUT_S)
        gone = {id(delivery) for delivery in moved}
        return [delivery for delivery in held if id(delivery) not in gone]


async def subscribe_mover(broker: Broker, bucket_s: int) -> Subscription:
    """Join the movers of one bucket."""

    source = Source((ladder_topic(bucket_s),), MOVER_GROUP)
    return await broker.subscribe(source, prefetch=PREFETCH, on_lost=lambda lost: None)
