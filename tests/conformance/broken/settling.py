"""Lies about settling: when, by whom, what is answered, and what becomes of the message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.errors import InvalidState
from anymq.outcome import ACK, RELEASE, SETTLED, Ack, Release, Retry, Settlement, Stale
from tests.conformance.broken.lie import LyingMember, lie

__all__ = [
    "AcksOnReceipt",
    "BlocksOnSettle",
    "DeliversTwiceUnlessAcked",
    "ForgetsAcks",
    "NeverStale",
    "OldTokenSettlesTheNew",
    "RaisesOnStale",
    "ReleaseAcks",
    "ReleaseCounts",
    "ReleaseWaits",
    "ResultsOfSettleReversed",
    "SettlesTheWholeBatch",
    "SettlesUpTo",
    "SettlesWithTheFirstOutcome",
    "StaleHitsAnother",
    "TooFewSettleResults",
]

Items = Sequence[Settlement]


@lie(
    "acks-on-receipt",
    "acknowledges what it hands out, before any handler ran",
    "ACK-03",
    "ACK-01",
    unharmed=["DEL-01", "MSG-02"],
)
class AcksOnReceipt(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        await self.inner.settle([Settlement(delivery, ACK) for delivery in got], timeout_s=5)
        return got

    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        return [SETTLED] * len(items)


@lie(
    "forgets-acks",
    "answers Settled to an ack and keeps the message",
    "ACK-02",
    "ACK-03",
    unharmed=["MSG-02", "DEL-14"],
)
class ForgetsAcks(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        rest = [item for item in items if not isinstance(item.outcome, Ack)]
        await self.inner.settle(rest, timeout_s=timeout_s)
        return [SETTLED] * len(items)


@lie("settles-up-to", "an ack acknowledges everything handed out before", "GRP-09")
class SettlesUpTo(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        last = max((i.delivery.token for i in items if isinstance(i.outcome, Ack)), default=0)
        results = await self.inner.settle(items, timeout_s=timeout_s)
        older = [d for token, (d, _) in tuple(self.inner._held.items()) if token < last]
        await self.inner.settle([Settlement(delivery, ACK) for delivery in older], timeout_s=5)
        return results


@lie("settles-the-whole-batch", "one ack acknowledges all it holds", "GRP-09")
class SettlesTheWholeBatch(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        results = await self.inner.settle(items, timeout_s=timeout_s)
        held = [delivery for delivery, _ in tuple(self.inner._held.values())]
        await self.inner.settle([Settlement(delivery, ACK) for delivery in held], timeout_s=5)
        return results


@lie("settles-with-the-first-outcome", "gives a batch the outcome of its first item", "ACK-10")
class SettlesWithTheFirstOutcome(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        same = [replace(i, outcome=items[0].outcome, message=items[0].message) for i in items]
        return await self.inner.settle(same, timeout_s=timeout_s)


@lie("never-stale", "answers Settled to whatever it is asked to settle", "ACK-09", "ACK-10")
class NeverStale(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        await self.inner.settle(items, timeout_s=timeout_s)
        return [SETTLED] * len(items)


@lie("raises-on-stale", "raises when a delivery is no longer its own", "ACK-09", "ACK-11")
class RaisesOnStale(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        results = await self.inner.settle(items, timeout_s=timeout_s)
        if any(isinstance(result, Stale) for result in results):
            raise InvalidState("unknown delivery tag")
        return results


@lie("stale-hits-another", "a stale settlement settles the oldest delivery instead", "ACK-09")
class StaleHitsAnother(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        results = await self.inner.settle(items, timeout_s=timeout_s)
        held = list(self.inner._held.values())
        if held and any(isinstance(result, Stale) for result in results):
            await self.inner.settle([Settlement(held[0][0], ACK)], timeout_s=timeout_s)
        return results


@lie("old-token-settles-the-new", "settles by message, whoever holds the delivery", "ACK-11")
class OldTokenSettlesTheNew(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        mine = {delivery.id: delivery for delivery, _ in tuple(self.inner._held.values())}
        found = [replace(i, delivery=mine.get(i.delivery.id, i.delivery)) for i in items]
        return await self.inner.settle(found, timeout_s=timeout_s)


@lie("too-few-settle-results", "one result, however much was settled", "ACK-09")
class TooFewSettleResults(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        return (await self.inner.settle(items, timeout_s=timeout_s))[:1]


@lie("results-of-settle-reversed", "the results of settle are in the wrong order", "ACK-09")
class ResultsOfSettleReversed(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        return (await self.inner.settle(items, timeout_s=timeout_s))[::-1]


@lie("release-acks", "a release drops the message", "ACK-05", "ACK-06")
class ReleaseAcks(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        acks = [replace(i, outcome=ACK) if i.outcome is RELEASE or isinstance(i.outcome, Release)
                else i for i in items]  # fmt: skip
        return await self.inner.settle(acks, timeout_s=timeout_s)


@lie("release-counts", "a release raises the number of the attempt", "ACK-05")
class ReleaseCounts(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        for item in items:
            if isinstance(item.outcome, Release):
                message = item.delivery.message
                item.delivery.message = replace(message, attempt=message.attempt + 1)
        return await self.inner.settle(items, timeout_s=timeout_s)


@lie("release-waits", "a released message comes back only after a second and a half", "ACK-05")
class ReleaseWaits(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        late = [
            replace(i, outcome=Retry(1.5)) if isinstance(i.outcome, Release) else i for i in items
        ]
        return await self.inner.settle(late, timeout_s=timeout_s)


@lie("blocks-on-settle", "needs a second for every settle", "ACK-13", unharmed=["DEL-07"])
class BlocksOnSettle(LyingMember):
    async def settle(self, items: Items, *, timeout_s: float) -> Any:
        await asyncio.sleep(1)
        return await self.inner.settle(items, timeout_s=timeout_s)


@lie("delivers-twice-unless-acked", "hands out again what waits for its settlement", "ACK-04")
class DeliversTwiceUnlessAcked(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=min(wait_s, 0.05))
        if not got and self.inner._held and not self.inner._stopped:
            return [delivery for delivery, _ in self.inner._held.values()][:max_messages]
        return got
