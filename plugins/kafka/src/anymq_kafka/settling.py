"""One call of settle, on its way through the consumer's thread until its commit is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from anymq.outcome import SETTLED, STALE, SettleResult, SettleUnknown
from anymq.support.thread_bridge import ThreadBridge
from anymq_kafka.partition import OwnedPartition

__all__ = ["Answers", "SettleCall"]

Answers = Mapping[OwnedPartition, SettleResult]
"""What became of a call's offsets: those of one partition share their fate."""


class SettleCall:
    """Marks deliveries as done and waits for the commits that say so."""

    def __init__(
        self,
        offsets: Mapping[OwnedPartition, Iterable[int]],
        released: Iterable[OwnedPartition],
        bridge: ThreadBridge,
    ) -> None:
        self._offsets = offsets
        self._released = released
        self._waiting = set(offsets)
        self._answers: dict[OwnedPartition, SettleResult] = {}
        self._bridge = bridge
        self._told: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()

    async def answers(self, until: float) -> Answers:
        """One for each partition, or none if the time (of the loop) is up. May be cancelled."""
        try:
            async with asyncio.timeout_at(until):
                return await self._told
        except TimeoutError:
            return {}

    def abandon(self) -> None:
        """Nobody will commit any of it."""
        self._tell(dict.fromkeys(self._offsets, STALE))

    # In the consumer's thread.

    def mark(self) -> None:
        """Settle what is ours to settle; the rest is stale."""
        for partition, offsets in self._offsets.items():
            if not partition.settle(offsets):
                self._answer(partition, STALE)
        for partition in self._released:
            partition.tighten()

    def is_done(self) -> bool:
        """Give the result of what is committed by now; whether nothing is left, and so is told."""
        for partition in [partition for partition in self._waiting if not partition.is_dirty]:
            self._answer(partition, SETTLED)
        return self._tell_if_complete()

    def give_up(self, partitions: Iterable[OwnedPartition], reason: str | None) -> bool:
        """What waits for these is stale (no reason) or unknown; whether nothing is left."""
        for partition in self._waiting.intersection(partitions):
            self._answer(partition, STALE if reason is None else SettleUnknown(reason))
        return self._tell_if_complete()

    def _answer(self, partition: OwnedPartition, result: SettleResult) -> None:
        self._waiting.discard(partition)
        self._answers[partition] = result

    def _tell_if_complete(self) -> bool:
        if self._waiting:
            return False
        self._bridge.call(self._tell, self._answers)
        return True

    def _tell(self, answers: Answers) -> None:
        if not self._told.done():
            self._told.set_result(answers)
