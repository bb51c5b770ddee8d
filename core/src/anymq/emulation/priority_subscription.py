"""One subscription over the three levels of a prioritised topic: higher first, nobody starved."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from anymq.abc import Broker, Subscription
from anymq.abc.broker import OnLost
from anymq.emulation.priority import level_topic, logical_topic
from anymq.message import Delivery
from anymq.outcome import Settlement, SettleResult, SettleUnknown
from anymq.topology import Source

__all__ = ["LevelToken", "PrioritySubscription"]

LOWER_TURN = 8
"""Every eighth receive looks at the lowest level first."""
ORDER = (2, 1, 0)


@dataclass(frozen=True, slots=True)
class LevelToken:
    """Which level a delivery came from, and the delivery as that level gave it."""

    level: int
    token: Any
    original: Delivery = field(compare=False)


class PrioritySubscription(Subscription):
    """Reads high, normal and low; deliveries carry the logical topic and the level in the token."""

    def __init__(self, levels: Sequence[Subscription]) -> None:
        self._levels = tuple(levels)
        self._turn = 0
        self._ahead: list[Delivery] = []
        """Taken while waiting on all levels, more than was asked for: handed out next."""
        self._is_quiet = False
        """Paused or stopped."""

    @classmethod
    async def open(
        cls,
        broker: Broker,
        source: Source,
        *,
        prefetch: int,
        on_lost: OnLost,
        leveled: Collection[str],
    ) -> PrioritySubscription:
        """Subscribe every level of a source: of its ``leveled`` topics, and the others as they are.

        What was opened is closed again when one fails.
        """
        made = cls(())
        opened: list[Subscription] = []
        try:
            for index, priority in enumerate(ORDER):
                topics = tuple(
                    level_topic(topic, priority)
                    for topic in source.topics
                    if priority == 1 or topic in leveled
                )

                def lost(deliveries: Sequence[Delivery], level: int = index) -> None:
                    gone = [_outward(delivery, level) for delivery in deliveries]
                    made._forget(gone)
                    on_lost(gone)

                part = replace(source, topics=topics)
                opened.append(await broker.subscribe(part, prefetch=prefetch, on_lost=lost))
        except BaseException:
            for subscription in opened:
                await subscription.aclose(timeout_s=1.0)
            raise
        made._levels = tuple(opened)
        return made

    async def receive(self, *, max_messages: int, wait_s: float) -> Sequence[Delivery]:
        taken = self._take_ahead(max_messages)
        if taken:
            return taken
        self._turn = (self._turn + 1) % LOWER_TURN
        indices = range(len(self._levels))
        for index in indices if self._turn else reversed(indices):
            room = max_messages - len(taken)
            if room > 0:
                fresh = await self._levels[index].receive(max_messages=room, wait_s=0)
                taken += [_outward(delivery, index) for delivery in fresh]
        if not taken:
            await self._wait_for_any(max_messages, wait_s)
            taken = self._take_ahead(max_messages)
        return taken

    async def settle(
        self, items: Sequence[Settlement], *, timeout_s: float
    ) -> Sequence[SettleResult]:
        results: dict[int, SettleResult] = {}
        for level, subscription in enumerate(self._levels):
            mine = [i for i, item in enumerate(items) if item.delivery.token.level == level]
            if mine:
                part = [_inward(items[i]) for i in mine]
                answers = await subscription.settle(part, timeout_s=timeout_s)
                results.update(zip(mine, answers, strict=True))
        return [results.get(i, SettleUnknown("no such level")) for i in range(len(items))]

    async def keep(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        lost: list[Delivery] = []
        held = [*deliveries, *self._ahead]
        for level, subscription in enumerate(self._levels):
            mine = [_original(d) for d in held if d.token.level == level]
            if mine:
                gone = await subscription.keep(mine)
                lost += [_outward(delivery, level) for delivery in gone]
        self._forget(lost)
        return lost

    async def pause(self) -> None:
        self._is_quiet = True
        for subscription in self._levels:
            await subscription.pause()

    async def resume(self) -> None:
        self._is_quiet = False
        for subscription in self._levels:
            await subscription.resume()

    async def stop(self) -> None:
        self._is_quiet = True
        for subscription in self._levels:
            await subscription.stop()

    async def aclose(self, *, timeout_s: float) -> None:
        for subscription in self._levels:
            await subscription.aclose(timeout_s=timeout_s)

    async def _wait_for_any(self, max_messages: int, wait_s: float) -> None:
        """Wait on all levels; what several bring at the same moment is all kept, whatever ends us.

        Raises what a level raised.
        """
        share = max(1, max_messages // len(self._levels))
        tasks: list[asyncio.Task[Sequence[Delivery] | Exception]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [
                    group.create_task(_receive(level, share, wait_s)) for level in self._levels
                ]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
        finally:
            results = [None if task.cancelled() else task.result() for task in tasks]
            for index, result in enumerate(results):
                if result is not None and not isinstance(result, Exception):
                    self._ahead += [_outward(delivery, index) for delivery in result]
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _take_ahead(self, limit: int) -> list[Delivery]:
        if self._is_quiet:
            return []
        taken, self._ahead = self._ahead[:limit], self._ahead[limit:]
        return taken

    def _forget(self, gone: Sequence[Delivery]) -> None:
        self._ahead = [d for d in self._ahead if all(d.token != other.token for other in gone)]


async def _receive(
    level: Subscription, limit: int, wait_s: float
) -> Sequence[Delivery] | Exception:
    """As a value, so that the error of one level does not become that of a group of tasks."""
    try:
        return await level.receive(max_messages=limit, wait_s=wait_s)
    except Exception as error:  # noqa: BLE001 - raised by whoever waits on all levels
        return error


def _outward(delivery: Delivery, level: int) -> Delivery:
    message = delivery.message
    if level != ORDER.index(1):
        message = replace(message, topic=logical_topic(message.topic))
    return replace(delivery, message=message, token=LevelToken(level, delivery.token, delivery))


def _original(delivery: Delivery) -> Delivery:
    original: Delivery = delivery.token.original
    return original


def _inward(item: Settlement) -> Settlement:
    return Settlement(_original(item.delivery), item.outcome, item.message)
