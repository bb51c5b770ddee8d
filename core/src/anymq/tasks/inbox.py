"""Inbox: the one reply address of this process, and what it hears of jobs that ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from anymq.abc import Broker, Subscription
from anymq.errors import AnyMQError, ClosedError, DecodeError
from anymq.message import Delivery
from anymq.outcome import ACK, Settlement
from anymq.support.limits import within
from anymq.topology import Source, TopicSpec, Topology, TopologyMode

if TYPE_CHECKING:
    from anymq.tasks.batcher import Spawn

__all__ = ["Inbox"]

WAIT_S = 30.0
AGAIN_S = 1.0
CLOSE_S = 5.0
PREFETCH = 500


class Inbox:
    """An anonymous subscription of one topic, opened when first needed, replaced if it ends."""

    def __init__(
        self, broker: Broker, topic: str, hear: Callable[[Delivery], None], spawn: Spawn
    ) -> None:
        self.topic = topic
        self._broker = broker
        self._hear = hear
        self._spawn = spawn
        self._opening = asyncio.Lock()
        self._subscription: Subscription | None = None
        self.on_gap: Callable[[], None] = lambda: None
        """Called when something may have been missed."""

    async def open(self) -> None:
        """Listen; nothing if it listens already. Raises what the Broker raises."""
        async with self._opening:
            if self._subscription is None:
                self._subscription = await self._subscribe()
                self._spawn(self._receive(self._subscription))

    async def _subscribe(self) -> Subscription:
        topology = Topology((TopicSpec(self.topic),))
        await self._broker.declare(topology, mode=TopologyMode.MANAGE, timeout_s=WAIT_S)
        return await self._broker.subscribe(
            Source((self.topic,)), prefetch=PREFETCH, on_lost=lambda lost: None
        )

    async def _receive(self, subscription: Subscription) -> None:
        open_now: Subscription | None = subscription
        try:
            while open_now is not None:
                try:
                    await self._hand_out(open_now)
                except ClosedError:
                    return
                except AnyMQError:
                    # What is heard here is a help, never the truth: who waits asks the store, too.
                    await _leave(open_now)
                    self._subscription = open_now = await self._subscribe_again()
                self.on_gap()
        finally:
            self._subscription = None
            if open_now is not None:
                await _leave(open_now)

    async def _subscribe_again(self) -> Subscription | None:
        """As soon as the backend lets us; None once the application has ended."""
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                return await self._subscribe()
            except ClosedError:
                return None
            except AnyMQError:
                continue

    async def _hand_out(self, subscription: Subscription) -> None:
        while True:
            heard = await subscription.receive(max_messages=PREFETCH, wait_s=WAIT_S)
            for delivery in heard:
                try:
                    self._hear(delivery)
                except DecodeError:
                    continue  # a foreign message: nobody waits for it
            if heard:
                settlements = [Settlement(delivery, ACK) for delivery in heard]
                await subscription.settle(settlements, timeout_s=WAIT_S)


async def _leave(subscription: Subscription) -> None:
    async with within(CLOSE_S):
        await subscription.aclose(timeout_s=CLOSE_S)
