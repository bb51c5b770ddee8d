"""Lies of subscriptions whose connection breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from anymq.errors import AccessDenied, BackendUnavailable
from anymq.outcome import SettleUnknown
from tests.conformance.broken_recovery.lie import LyingBroker, LyingMember, lie

__all__ = [
    "AsksWithoutPause",
    "DecaysWithEachLoss",
    "DoublesItself",
    "EndsWithAFailedAck",
    "HidesThatAccessIsDenied",
    "LeavesItsQueueGone",
    "NeverComesBack",
    "SubscribesToNothing",
    "WaitsForSilence",
]

ENOUGH = 3
"""Losses that a decaying member outlives."""


class _Mute(LyingMember):
    """Goes on looking alive once it is mute; ``stop`` still ends it."""

    def __init__(self, inner: Any, broker: LyingBroker) -> None:
        super().__init__(inner, broker)
        self.is_mute = False
        self._stopped = asyncio.Event()

    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        if self.is_mute:
            return await self.nothing(wait_s)
        return await self.inner.receive(max_messages=max_messages, wait_s=min(wait_s, 0.2))

    async def nothing(self, wait_s: float) -> Sequence[Any]:
        try:
            async with asyncio.timeout(wait_s):
                await self._stopped.wait()
        except TimeoutError:
            pass
        return []

    async def stop(self) -> None:
        self._stopped.set()
        await super().stop()


@lie(
    "never-comes-back",
    "is deaf after its first loss",
    {"REC-02": "messages came in time"},
)
class NeverComesBack(_Mute):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        self.is_mute = self.is_mute or self.broker.losses > 0
        return await super().receive(max_messages=max_messages, wait_s=wait_s)


@lie(
    "decays-with-each-loss",
    "outlives some losses, and then is deaf",
    {"REC-12": "cuts Footprint"},
)
class DecaysWithEachLoss(_Mute):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        self.is_mute = self.is_mute or self.broker.losses > ENOUGH
        return await super().receive(max_messages=max_messages, wait_s=wait_s)


@lie(
    "ends-with-a-failed-ack",
    "receives nothing once a settlement failed",
    {"REC-08": "later messages to flow"},
)
class EndsWithAFailedAck(_Mute):
    async def settle(self, items: Any, *, timeout_s: float) -> Any:
        results = await super().settle(items, timeout_s=timeout_s)
        self.is_mute = self.is_mute or any(isinstance(r, SettleUnknown) for r in results)
        return results


@lie(
    "hides-that-access-is-denied",
    "takes a permanent error for a passing one",
    {"REC-11": "a subscriber to say that it ended"},
)
class HidesThatAccessIsDenied(_Mute):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        try:
            return await super().receive(max_messages=max_messages, wait_s=wait_s)
        except AccessDenied:
            return await self.nothing(min(wait_s, 0.5))


@lie(
    "doubles-itself",
    "joins once more after a loss, and stays what it was, too",
    {"REC-04": "consumers became"},
)
class DoublesItself(_Mute):
    def __init__(self, inner: Any, broker: LyingBroker) -> None:
        super().__init__(inner, broker)
        self._others: list[Any] = []

    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        try:
            await self._ask_twice()
        except BackendUnavailable:
            pass  # the next call connects again
        return await super().receive(max_messages=max_messages, wait_s=wait_s)

    async def _ask_twice(self) -> None:
        if self.broker.losses and not self._others:
            self._others.append(await self.broker.join_again(self))
        for other in self._others:
            # Takes nothing, so that only the count tells.
            await other._reader.run([other._member.here()], timeout_s=1.0)

    async def aclose(self, *, timeout_s: float) -> None:
        for other in self._others:
            await other.aclose(timeout_s=timeout_s)
        await super().aclose(timeout_s=timeout_s)


@lie(
    "asks-without-pause",
    "tries again a hundred times a second",
    {"REC-07": "no backoff"},
)
class AsksWithoutPause(LyingMember):
    def __init__(self, inner: Any, broker: LyingBroker) -> None:
        super().__init__(inner, broker)

        async def hasty(until: float) -> None:
            await asyncio.sleep(0.01)

        inner._wait = hasty


@lie(
    "leaves-its-queue-gone",
    "reads on from a group that does not exist any more",
    {"REC-03": "each subscriber to receive something again", "REC-09": "a zombie"},
)
class LeavesItsQueueGone(LyingMember):
    def __init__(self, inner: Any, broker: LyingBroker) -> None:
        super().__init__(inner, broker)

        async def nothing() -> None:
            pass

        inner._intake._restore = nothing


@lie(
    "waits-for-silence",
    "has no limit to its waiting for an answer",
    {"REC-10": "after its connection fell silent"},
)
class WaitsForSilence(LyingMember):
    def __init__(self, inner: Any, broker: LyingBroker) -> None:
        super().__init__(inner, broker)
        run = inner._reader.run
        inner._reader.run = lambda commands, *, timeout_s: run(commands, timeout_s=600.0)


class _Nothing(_Mute):
    """A member of no group at all."""

    def __init__(self, broker: LyingBroker) -> None:
        super().__init__(None, broker)
        self.is_mute = True

    async def stop(self) -> None:
        self._stopped.set()

    async def aclose(self, *, timeout_s: float) -> None:
        self._stopped.set()


@lie(
    "subscribes-to-nothing",
    "calls it a subscription, whatever came of it",
    {"REC-05": "0 of 1 deliveries came in time"},
)
class SubscribesToNothing(LyingBroker):
    async def subscribe(self, source: Any, *, prefetch: int, on_lost: Any) -> Any:
        try:
            return await super().subscribe(source, prefetch=prefetch, on_lost=on_lost)
        except BackendUnavailable:
            return _Nothing(self)
