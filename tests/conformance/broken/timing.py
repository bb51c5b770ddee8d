"""Lies about time: too early, too late, never, and out of turn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.message import Message
from anymq.outcome import DeadLetter, Release, Retry, Settlement
from tests.conformance.broken.lie import LyingBroker, LyingMember, lie

__all__ = [
    "DelayIsEarly",
    "DelayIsLate",
    "DelayIsLostWithItsConsumer",
    "DelayOnlyForTheFirstGroup",
    "ExpiresTooSoon",
    "IgnoresDelays",
    "IgnoresExpiry",
    "IgnoresPriority",
    "InvertsPriority",
    "PriorityReorders",
    "RetryBlocksTheGroup",
    "RetryDeadLetters",
    "RetryIgnoresDelay",
    "RetryIsARelease",
    "RetryIsEarly",
    "RetryIsForgotten",
    "RetryIsLate",
    "RetryKeepsTheOldMessage",
    "StarvesTheLow",
]


class _Rewritten(LyingMember):
    """Settles with other outcomes than it was asked for."""

    def rewrite(self, item: Settlement, retry: Retry) -> Settlement:
        return item

    async def settle(self, items: Sequence[Settlement], *, timeout_s: float) -> Any:
        rewritten = [
            self.rewrite(i, i.outcome) if isinstance(i.outcome, Retry) else i for i in items
        ]
        return await self.inner.settle(rewritten, timeout_s=timeout_s)


@lie("retry-ignores-delay", "gives a retry back at once", "ACK-07", "RTY-05")
class RetryIgnoresDelay(_Rewritten):
    def rewrite(self, item: Settlement, retry: Retry) -> Settlement:
        return replace(item, outcome=Retry(0))


@lie("retry-is-early", "waits four fifths of a retry's delay", "ACK-07", "RTY-05")
class RetryIsEarly(_Rewritten):
    def rewrite(self, item: Settlement, retry: Retry) -> Settlement:
        return replace(item, outcome=Retry((retry.delay_s or 0) * 0.8))


@lie("retry-is-late", "waits two seconds longer", "ACK-07", "RTY-05", unharmed=["DEL-01", "MSG-02"])
class RetryIsLate(_Rewritten):
    def rewrite(self, item: Settlement, retry: Retry) -> Settlement:
        return replace(item, outcome=Retry((retry.delay_s or 0) + 2))


@lie(
    "retry-keeps-the-old-message",
    "keeps the original, so the attempt never rises",
    "RTY-03",
    unharmed=["DEL-01", "MSG-02"],
)
class RetryKeepsTheOldMessage(_Rewritten):
    def rewrite(self, item: Settlement, retry: Retry) -> Settlement:
        return replace(item, message=None)


@lie(
    "retry-is-a-release",
    "takes a retry for a release",
    "ACK-07",
    "RTY-03",
    unharmed=["DEL-01", "MSG-02"],
)
class RetryIsARelease(_Rewritten):
    def rewrite(self, item: Settlement, retry: Retry) -> Settlement:
        return replace(item, outcome=Release(), message=None)


@lie(
    "retry-is-forgotten",
    "acknowledges a retry that it should keep",
    "RTY-01",
    "ACK-07",
    unharmed=["DEL-01", "MSG-02"],
)
class RetryIsForgotten(_Rewritten):
    def rewrite(self, item: Settlement, retry: Retry) -> Settlement:
        return replace(item, outcome=Retry(3600))


@lie(
    "retry-dead-letters",
    "dead-letters at the first retry",
    "RTY-01",
    "RTY-03",
    unharmed=["DEL-01", "MSG-02"],
)
class RetryDeadLetters(_Rewritten):
    def rewrite(self, item: Settlement, retry: Retry) -> Settlement:
        return replace(item, outcome=DeadLetter("limit reached"))


@lie("retry-blocks-the-group", "hands out nothing while a retry waits", "RTY-15", "ACK-07")
class RetryBlocksTheGroup(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        if any(group.delayed for group in self.inner.groups):
            held, self.inner._prefetch = self.inner._prefetch, 0
            try:
                await self.inner.receive(max_messages=max_messages, wait_s=min(wait_s, 0.05))
            finally:
                self.inner._prefetch = held
            if any(group.delayed for group in self.inner.groups):
                return []
        return await self.inner.receive(max_messages=1, wait_s=wait_s)


class _Dated(LyingBroker):
    """Changes the moment of a delayed message."""

    def moment(self, due_at: float) -> float | None:
        return due_at

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        changed = [
            m if m.due_at is None else replace(m, due_at=self.moment(m.due_at)) for m in messages
        ]
        return await super().send(changed, **options)


@lie("ignores-delays", "delivers a delayed message at once", "TIM-03")
class IgnoresDelays(_Dated):
    def moment(self, due_at: float) -> float | None:
        return None


@lie("delay-is-early", "cuts a delay to whole seconds", "TIM-03")
class DelayIsEarly(_Dated):
    def moment(self, due_at: float) -> float | None:
        return float(int(due_at - time.time())) + time.time()


@lie("delay-is-late", "delivers a delayed message three seconds late", "TIM-03")
class DelayIsLate(_Dated):
    def moment(self, due_at: float) -> float | None:
        return due_at + 3


@lie("delay-is-lost-with-its-consumer", "forgets what is delayed when a member leaves", "TIM-03")
class DelayIsLostWithItsConsumer(LyingBroker):
    async def aclose(self, *, timeout_s: float) -> None:
        for topic in self.space.topics.values():
            for group in topic.groups.values():
                group.delayed.clear()
        await super().aclose(timeout_s=timeout_s)


@lie("delay-only-for-the-first-group", "delays for one group and forgets the others", "TIM-03")
class DelayOnlyForTheFirstGroup(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        one = []
        for message in messages:
            owner = self.space.topics.get(message.topic)
            delayed = message.due_at is not None and message.group is None
            first = next(iter(owner.groups), None) if owner and delayed else message.group
            one.append(replace(message, group=first))
        return await super().send(one, **options)


@lie("ignores-expiry", "delivers what has expired", "TIM-01")
class IgnoresExpiry(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return await super().send([replace(m, expires_at=None) for m in messages], **options)


@lie("expires-too-soon", "drops at half of the time to live", "TIM-02")
class ExpiresTooSoon(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        changed = [
            replace(m, expires_at=(m.timestamp + m.expires_at) / 2 - 0.5) if m.expires_at else m
            for m in messages
        ]
        return await super().send(changed, **options)


@lie("ignores-priority", "handles in the order of sending", "TIM-06")
class IgnoresPriority(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return await super().send([replace(m, priority=1) for m in messages], **options)


@lie("inverts-priority", "handles low before high", "TIM-06")
class InvertsPriority(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return await super().send(
            [replace(m, priority=2 - m.priority) for m in messages], **options
        )


@lie("starves-the-low", "takes nothing low while anything higher waits", "TIM-06")
class StarvesTheLow(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        for group in self.inner.groups:
            group._turn = 0
        return await self.inner.receive(max_messages=1, wait_s=wait_s)


@lie("priority-reorders", "turns the order round within a priority", "TIM-06")
class PriorityReorders(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        for message in messages:
            for group in self.space.topics[message.topic].groups.values():
                queue = group.ready[message.priority]
                if message.priority != 1 and queue:
                    queue.rotate(1)
        return results
