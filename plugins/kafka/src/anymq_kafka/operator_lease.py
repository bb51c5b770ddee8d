"""One operator at a time: who owns the only partition of a dead-letter topic, in its own group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Message as Native

from anymq.errors import Busy
from anymq.support.thread_bridge import ThreadBridge
from anymq_kafka.client_config import Properties
from anymq_kafka.consumer_thread import ConsumerThread
from anymq_kafka.group_admin import GroupAdmin
from anymq_kafka.link import Link

__all__ = ["OperatorLeases"]

_JOIN_S = 10.0
"""Brokers let the first member of a group wait 3 s for others (group.initial.rebalance.delay)."""
_LEAVE_S = 5.0


class OperatorLeases:
    """The leases that one Management holds. A crashed holder loses them with its session."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._held: set[str] = set()

    async def require_free(self, group_id: str, groups: GroupAdmin) -> None:
        """Raise Busy if somebody else holds this lease."""
        if group_id not in self._held:
            await groups.require_empty(group_id)

    @asynccontextmanager
    async def hold(
        self, group_id: str, topic: str, groups: GroupAdmin, *, lease_s: float
    ) -> AsyncIterator[None]:
        """Hold a lease for the block, at most that long. Raises Busy."""
        if group_id in self._held:
            raise Busy(f"{group_id!r} is held by this operator already")
        await groups.require_empty(group_id)
        thread = _LeaseThread(
            self._link.config.member(group_id, 1),
            name=f"{self._link.client_id}-kafka-operator",
            bridge=self._link.clients.bridge,
            topic=topic,
        )
        thread.start()
        timer = asyncio.get_running_loop().call_later(lease_s, thread.leave)
        try:
            await thread.wait_owned(group_id)
            self._held.add(group_id)
            yield
        finally:
            timer.cancel()
            self._held.discard(group_id)
            await thread.aclose(timeout_s=_LEAVE_S)


class _LeaseThread(ConsumerThread):
    """A member that takes no records; owning the partition is all it is for."""

    def __init__(
        self, properties: Properties, *, name: str, bridge: ThreadBridge, topic: str
    ) -> None:
        super().__init__(properties, name=name, bridge=bridge, on_end=self._note_end_of_thread)
        self._topic = topic
        self._answer = asyncio.Event()
        self._owns = False

    async def wait_owned(self, group_id: str) -> None:
        """Raise Busy unless the partition is ours in time."""
        try:
            async with asyncio.timeout(_JOIN_S):
                await self._answer.wait()
        except TimeoutError:
            self._owns = False
        if not self._owns:
            raise Busy(f"another operator holds {group_id!r}")

    def leave(self) -> None:
        """End soon. On the loop."""
        self._stopping.set()

    def begin(self, consumer: Consumer) -> None:
        consumer.subscribe([self._topic], on_assign=self._assigned)

    def room(self) -> int:
        return 0

    def is_busy(self) -> bool:
        return False

    def take(self, records: Sequence[Native]) -> None:
        pass

    def tick(self, consumer: Consumer) -> None:
        pass

    def finish(self, consumer: Consumer) -> None:
        pass

    def note_missing(self) -> None:
        self.bridge.call(self._tell, False)

    def _assigned(self, consumer: Consumer, wanted: list[TopicPartition]) -> None:
        consumer.incremental_assign(wanted)
        self.bridge.call(self._tell, bool(wanted))

    def _tell(self, owns: bool) -> None:
        self._owns = self._owns or owns
        self._answer.set()

    def _note_end_of_thread(self, _error: Exception | None) -> None:
        self._owns = False
        self._answer.set()
