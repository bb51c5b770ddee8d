"""Lies about sending: what is confirmed, what is refused, and which result belongs to whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.message import Message
from anymq.outcome import CONFIRMED, Confirmed, Rejected
from tests.conformance.broken.lie import LyingBroker, lie

__all__ = [
    "AtomicStoresHalf",
    "BlocksTheLoop",
    "ConfirmsBeforeStoring",
    "ConfirmsTheUndeclared",
    "ConfirmsWithoutStoring",
    "DropsTheLastOfABatch",
    "DuplicatesSilently",
    "IgnoresTheGroupOfAnAddress",
    "LateEntriesOvertake",
    "OneRejectedRejectsAll",
    "RaisesForTheUndeclared",
    "RejectedIsHidden",
    "RejectedIsStored",
    "ReordersABatch",
    "ResultsInTheWrongOrder",
    "StopsAtTheFirstRejected",
    "TooFewResults",
]


@lie(
    "confirms-without-storing",
    "confirms every tenth message and drops it",
    "DEL-02",
    "DEL-13",
    unharmed=["MSG-02"],
)
class ConfirmsWithoutStoring(LyingBroker):
    counted = 0

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        kept = []
        for message in messages:
            self.counted += 1
            if self.counted % 10:
                kept.append(message)
        await super().send(kept, **options)
        return [CONFIRMED] * len(messages)


@lie("confirms-before-storing", "stores only 50 ms after it confirmed, if still open", "LIF-10")
class ConfirmsBeforeStoring(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        def store() -> None:
            if not self._closed:
                self.space.send(messages, atomic=False, max_messages=1000)

        if any(message.topic not in self.space.topics for message in messages):
            return await super().send(messages, **options)
        asyncio.get_running_loop().call_later(0.05, store)
        return [CONFIRMED] * len(messages)


@lie("rejected-hides-confirmed", "tells one rejected entry as confirmed with its batch", "DEL-11")
class RejectedIsHidden(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        stored = [result for result in results if isinstance(result, Confirmed)]
        return [CONFIRMED] * len(results) if stored else results


@lie("one-rejected-rejects-all", "rejects a whole batch for one bad entry", "DEL-11")
class OneRejectedRejectsAll(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        bad = [result for result in results if isinstance(result, Rejected)]
        return bad[:1] * len(results) if bad else results


@lie("stops-at-the-first-rejected", "stores nothing after the first bad entry", "DEL-11")
class StopsAtTheFirstRejected(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results: list[Any] = []
        for message in messages:
            if results and isinstance(results[-1], Rejected):
                results.append(results[-1])
            else:
                results += await super().send([message], **options)
        return results


@lie("results-in-the-wrong-order", "sorts the results of a batch", "DEL-11")
class ResultsInTheWrongOrder(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        return sorted(results, key=lambda result: isinstance(result, Rejected))


@lie("too-few-results", "gives one result for a batch", "DEL-11", "BAT-05", unharmed=["DEL-07"])
class TooFewResults(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return (await super().send(messages, **options))[:1]


@lie(
    "rejected-is-stored",
    "rejects a third of a batch and stores it anyway",
    "BAT-02",
    unharmed=["MSG-02", "RTY-06"],
)
class RejectedIsStored(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = list(await super().send(messages, **options))
        if len(results) > 5:
            results[4] = Rejected("full", "no room, it says")
        return results


@lie("atomic-stores-half", "stores the good half of an atomic batch it rejects", "BAT-03")
class AtomicStoresHalf(LyingBroker):
    async def send(
        self, messages: Sequence[Message], *, atomic: bool = False, **options: Any
    ) -> Any:
        results = await super().send(messages, **options)
        bad = [result for result in results if isinstance(result, Rejected)]
        return bad[:1] * len(results) if atomic and bad else results


@lie(
    "confirms-the-undeclared", "confirms what goes to a topic that is not there", "DEL-10", "DEL-11"
)
class ConfirmsTheUndeclared(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        await super().send(messages, **options)
        return [CONFIRMED] * len(messages)


@lie("raises-for-the-undeclared", "raises where one entry has no topic", "DEL-11")
class RaisesForTheUndeclared(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        if any(isinstance(result, Rejected) for result in results):
            raise LookupError("no such topic")
        return results


@lie(
    "drops-the-last-of-a-batch",
    "loses the last entry of a batch over 20",
    "BAT-01",
    "DEL-01",
    unharmed=["MSG-02", "RTY-06"],
)
class DropsTheLastOfABatch(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        kept = messages[:-1] if len(messages) > 20 else messages
        return [*await super().send(kept, **options), CONFIRMED][: len(messages)]


@lie("reorders-a-batch", "stores a batch from its end", "ORD-01", "BAT-01")
class ReordersABatch(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return (await super().send(messages[::-1], **options))[::-1]


@lie("late-entries-overtake", "lets a later send overtake an earlier one", "ORD-01")
class LateEntriesOvertake(LyingBroker):
    calls = 0

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        LateEntriesOvertake.broker.calls += 1
        if LateEntriesOvertake.broker.calls % 2:
            await asyncio.sleep(0.02)
        return await super().send(messages, **options)


@lie(
    "duplicates-silently",
    "stores every seventh message twice, unflagged",
    "DEL-02",
    "GRP-02",
    unharmed=["MSG-02"],
)
class DuplicatesSilently(LyingBroker):
    counted = 0

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = list(await super().send(messages, **options))
        for message in messages:
            self.counted += 1
            if not self.counted % 7:
                await super().send([message], **options)
        return results


@lie("ignores-the-group-of-an-address", "sends a private copy to every group", "GRP-11", "GRP-12")
class IgnoresTheGroupOfAnAddress(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return await super().send([replace(m, group=None) for m in messages], **options)


@lie(
    "blocks-the-loop", "sleeps with the loop stopped while it sends", "DEL-13", unharmed=["DEL-07"]
)
class BlocksTheLoop(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        time.sleep(0.15)  # noqa: ASYNC251 - that is the lie
        return await super().send(messages, **options)
