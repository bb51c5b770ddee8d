"""Brokers that get times and priorities of jobs wrong, or forget what they were given back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.memory.broker import MemoryBroker
from anymq.message import Delivery, Message
from anymq.outcome import ACK, Release, Settlement
from anymq.topology import Source
from tests.conformance.broken_tasks.carrying import Changing, is_job
from tests.conformance.broken_tasks.lie import lie

__all__ = ["AnswersAtOnce", "DelaysAll", "DropsReleased", "IgnoresPriorities", "KeepsNothing"]


@lie("delays-all-jobs", "delivers what is due now in three seconds", "TIM-04")
class DelaysAll(Changing):
    """Nothing is immediate."""

    def sent(self, message: Message) -> Message | None:
        if not is_job(message) or message.due_at is not None:
            return message
        return replace(message, due_at=time.time() + 3.0)


@lie("ignores-priorities-of-jobs", "delivers in the order of sending", "TIM-06")
class IgnoresPriorities(Changing):
    """First come, first served."""

    def sent(self, message: Message) -> Message | None:
        return replace(message, priority=1)


@lie("drops-released-jobs", "takes what is given back for done", "LIF-13")
class DropsReleased(Changing):
    """A stop loses jobs."""

    def settled(self, item: Settlement) -> Settlement:
        is_released = isinstance(item.outcome, Release)
        return Settlement(item.delivery, ACK) if is_released else item


@lie("keeps-no-jobs", "extends no lease", "CON-09")
class KeepsNothing(MemoryBroker):
    """A long job is given to somebody else."""

    async def subscribe(self, source: Source, *, prefetch: int, on_lost: Any) -> Any:
        subscription: Any = await super().subscribe(source, prefetch=prefetch, on_lost=on_lost)

        async def keep(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
            return []

        subscription.keep = keep
        return subscription


@lie("answers-at-once", "does not wait for jobs", "DEL-07")
class AnswersAtOnce(MemoryBroker):
    """An idle worker is a busy one."""

    async def subscribe(self, source: Source, *, prefetch: int, on_lost: Any) -> Any:
        subscription: Any = await super().subscribe(source, prefetch=prefetch, on_lost=on_lost)
        receive = subscription.receive

        async def receive_now(*, max_messages: int, wait_s: float) -> Sequence[Delivery]:
            found: Sequence[Delivery] = await receive(max_messages=max_messages, wait_s=0.0001)
            return found

        subscription.receive = receive_now
        return subscription
