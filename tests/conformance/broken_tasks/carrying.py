"""Brokers that carry jobs badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.abc import Management
from anymq.memory.broker import MemoryBroker
from anymq.memory.subscription import MemorySubscription
from anymq.message import Delivery, Message
from anymq.outcome import ACK, CONFIRMED, DeadLetter, Retry, SendResult, Settlement
from anymq.topology import Source
from tests.conformance.broken.lie import LyingManagement
from tests.conformance.broken_tasks.lie import lie

__all__ = [
    "CountsNoFailures",
    "CountsNobody",
    "DropsDead",
    "DropsOneInTen",
    "DropsReplies",
    "IgnoresDelays",
    "IgnoresRetryDelays",
    "LosesCorrelation",
    "LosesTheDead",
    "is_job",
]


class Changing(MemoryBroker):
    """A lie changes what is sent (None: dropped) or how it is settled."""

    def sent(self, message: Message) -> Message | None:
        return message

    def settled(self, item: Settlement) -> Settlement:
        return item

    async def send(
        self, messages: Sequence[Message], *, timeout_s: float, atomic: bool = False
    ) -> Sequence[SendResult]:
        changed = [self.sent(message) for message in messages]
        kept = [message for message in changed if message is not None]
        results = iter(await super().send(kept, timeout_s=timeout_s, atomic=atomic))
        return [CONFIRMED if message is None else next(results) for message in changed]

    async def subscribe(self, source: Source, *, prefetch: int, on_lost: Any) -> MemorySubscription:
        subscription: Any = await super().subscribe(source, prefetch=prefetch, on_lost=on_lost)
        settle = subscription.settle

        async def changed(items: Sequence[Settlement], *, timeout_s: float) -> Any:
            return await settle([self.settled(item) for item in items], timeout_s=timeout_s)

        subscription.settle = changed
        found: MemorySubscription = subscription
        return found


def is_job(message: Message) -> bool:
    return message.topic.startswith("anymq.tasks.")


@lie("drops-one-in-ten", "confirms jobs that it drops", "TSK-01")
class DropsOneInTen(Changing):
    """A confirmation that means nothing."""

    _count = 0

    def sent(self, message: Message) -> Message | None:
        self._count += is_job(message)
        return None if is_job(message) and self._count % 10 == 0 else message


@lie("drops-replies", "confirms replies and drops them", "TSK-05")
class DropsReplies(Changing):
    """Results have to be looked for."""

    def sent(self, message: Message) -> Message | None:
        return None if message.topic.startswith("anymq.reply.") else message


@lie("loses-correlation", "carries no correlation id", "TSK-06")
class LosesCorrelation(Changing):
    """Nobody knows what belongs together."""

    def sent(self, message: Message) -> Message | None:
        return replace(message, correlation_id=None)


@lie("ignores-delays-of-jobs", "delivers at once what is not due", "TSK-10", "TSK-12", "TIM-03")
class IgnoresDelays(Changing):
    """Schedules mean nothing."""

    def sent(self, message: Message) -> Message | None:
        return replace(message, due_at=None)


@lie("drops-dead-jobs", "sets nothing aside", "TSK-07", "TSK-08", "TSK-14", "RTY-07", "RTY-18")
class DropsDead(Changing):
    """What cannot be run is gone."""

    def settled(self, item: Settlement) -> Settlement:
        is_dead = isinstance(item.outcome, DeadLetter)
        return Settlement(item.delivery, ACK) if is_dead else item


@lie("ignores-retry-delays-of-jobs", "retries at once", "TSK-15", "ACK-07")
class IgnoresRetryDelays(Changing):
    """Whatever the task asked for."""

    def settled(self, item: Settlement) -> Settlement:
        if isinstance(item.outcome, Retry):
            return Settlement(item.delivery, Retry(0.0), item.message)
        return item


@lie("counts-no-failures", "delivers a retried job as it was", "TSK-14", "TSK-15", "RTY-01")
class CountsNoFailures(Changing):
    """Every attempt is the first."""

    def settled(self, item: Settlement) -> Settlement:
        message = item.message
        if isinstance(item.outcome, Retry) and message is not None:
            return Settlement(item.delivery, item.outcome, replace(message, attempt=1))
        return item


@lie("loses-the-jobs-of-the-dead", "what a dead worker had is gone", "TSK-09", "ACK-01", "ACK-03")
class LosesTheDead(Changing):
    """Acknowledged on receipt."""

    async def subscribe(self, source: Source, *, prefetch: int, on_lost: Any) -> Any:
        subscription: Any = await super().subscribe(source, prefetch=prefetch, on_lost=on_lost)
        receive, settle = subscription.receive, subscription.settle

        async def taken(**limits: Any) -> Sequence[Delivery]:
            found: Sequence[Delivery] = await receive(**limits)
            await settle([Settlement(delivery, ACK) for delivery in found], timeout_s=5.0)
            return found

        subscription.receive = taken
        return subscription


@lie("counts-nobody", "says that nothing waits", "TSK-16")
class CountsNobody(MemoryBroker):
    """An operator sees empty queues."""

    def management(self) -> Management:
        return _Blind(super().management())


class _Blind(LyingManagement):
    async def groups(self, topic: str | None = None) -> Any:
        return [replace(state, ready=0) for state in await self.inner.groups(topic)]
