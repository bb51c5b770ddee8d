"""One call of settle, on its way through the consumer's thread until its commit is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from anymq.outcome import SETTLED, STALE, SettleResult, SettleUnknown
from anymq.support.thread_bridge import ThreadBridge
from anymq_kafka.partition import OwnedPartition

__all__ = ["SettleCall"]


class SettleCall:
    """Marks deliveries as done and waits for the commits that say so."""

    def __init__(self, items: Sequence[tuple[OwnedPartition, int]], bridge: ThreadBridge) -> None:
        self._items = items
        self._results: list[SettleResult | None] = [None] * len(items)
        self._bridge = bridge
        self._told: asyncio.Future[list[SettleResult]] = asyncio.get_running_loop().create_future()

    async def results(self) -> list[SettleResult]:
        """One per item, in order. May be cancelled."""
        return await self._told

    # In the consumer's thread.

    def mark(self) -> None:
        """Settle what is ours to settle; the rest is stale."""
        for index, (partition, offset) in enumerate(self._items):
            if not partition.settle(offset):
                self._results[index] = STALE

    def is_done(self) -> bool:
        """Give the result of what is committed by now; whether nothing is left, and so is told."""
        for index, (partition, _) in enumerate(self._items):
            if self._results[index] is None and not partition.is_dirty:
                self._results[index] = SETTLED
        return self._tell_if_complete()

    def give_up(self, partitions: Sequence[OwnedPartition], reason: str | None) -> bool:
        """What waits for these is stale (no reason) or unknown; whether nothing is left."""
        lost = set(map(id, partitions))
        for index, (partition, _) in enumerate(self._items):
            if self._results[index] is None and id(partition) in lost:
                self._results[index] = STALE if reason is None else SettleUnknown(reason)
        return self._tell_if_complete()

    def _tell_if_complete(self) -> bool:
        found = [result for result in self._results if result is not None]
        if len(found) < len(self._results):
            return False
        self._bridge.call(self._tell, found)
        return True

    def _tell(self, results: list[SettleResult]) -> None:
        if not self._told.done():
            self._told.set_result(results)
