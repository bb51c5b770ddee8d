"""Lies about members: leases, limits, pauses, counts and order by key."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import field_validator

from anymq.capabilities import Capabilities, Support
from anymq.errors import BackendUnavailable
from anymq.memory.capabilities import capabilities_of
from anymq.memory.options import MemoryOptions
from anymq.message import Delivery
from anymq.outcome import RELEASE, Retry, Settlement
from anymq.topology import GroupSpec, Source, Topology
from tests.conformance.broken.lie import LyingBroker, LyingMember, lie

__all__ = [
    "BurnsTheLeaseInItsBuffer",
    "ChargesAttempts",
    "ChargesTheNeighbours",
    "CountIsAlwaysOne",
    "CountIsUnknown",
    "CountStartsAtZero",
    "CountsReleases",
    "ForgetsRedelivered",
    "IgnoresOrderByKey",
    "KeepExtendsNothing",
    "KeepHidesLosses",
    "KeepRaises",
    "KeepTellsAllLost",
    "LeaseNeverEnds",
    "LeaseRunsOutInSecret",
    "OrderOnlyWithinAMember",
    "PartitionIsAlwaysZero",
    "PauseIsDeaf",
    "PauseLeaves",
    "PrefetchCountsCalls",
    "ResumeIsDeaf",
    "ResumeLosesMessages",
    "TakesAllKeysForOne",
]

TRUE = capabilities_of(MemoryOptions())


class _Told(LyingMember):
    """Tells something else about its deliveries."""

    def tell(self, delivery: Delivery) -> None:
        """Change the delivery."""

    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        for delivery in got:
            self.tell(delivery)
        return got


@lie("forgets-redelivered", "flags no redelivery", "ACK-01", "CON-09")
class ForgetsRedelivered(_Told):
    def tell(self, delivery: Delivery) -> None:
        delivery.redelivered, delivery.delivery_count = False, 1


@lie("count-is-always-one", "says delivery_count 1 every time", "ACK-01")
class CountIsAlwaysOne(_Told):
    def tell(self, delivery: Delivery) -> None:
        delivery.delivery_count = 1


@lie("count-starts-at-zero", "counts deliveries from 0", "ACK-01", "CON-09")
class CountStartsAtZero(_Told):
    def tell(self, delivery: Delivery) -> None:
        delivery.delivery_count = (delivery.delivery_count or 1) - 1


@lie("count-is-unknown", "claims to count deliveries, and tells no number", "ACK-01")
class CountIsUnknown(_Told):
    def tell(self, delivery: Delivery) -> None:
        delivery.delivery_count = None


@lie("counts-releases", "counts a released delivery", "LIF-15")
class CountsReleases(LyingMember):
    """Counts deliveries per message by itself."""

    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        counts = self.broker.space.__dict__.setdefault("_liar_counts", {})
        for delivery in got:
            counts[delivery.id] = counts.get(delivery.id, 0) + 1
            delivery.delivery_count = counts[delivery.id]
        return got


@lie("charges-the-neighbours", "counts every delivery of a batch for each of it", "RTY-21")
class ChargesTheNeighbours(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        got = await self.inner.receive(max_messages=max_messages, wait_s=wait_s)
        most = max((delivery.delivery_count or 1 for delivery in got), default=1)
        for delivery in got:
            delivery.delivery_count = most
        return got


@lie("charges-attempts", "raises the attempt of all it holds when one fails", "RTY-03")
class ChargesAttempts(LyingMember):
    async def settle(self, items: Sequence[Settlement], *, timeout_s: float) -> Any:
        results = await self.inner.settle(items, timeout_s=timeout_s)
        if any(isinstance(item.outcome, Retry) for item in items):
            for delivery, _ in self.inner._held.values():
                message = delivery.message
                delivery.message = replace(message, attempt=message.attempt + 1)
        return results


@lie("keep-hides-losses", "says nothing is lost, whatever is", "CON-09")
class KeepHidesLosses(LyingMember):
    async def keep(self, deliveries: Sequence[Delivery]) -> Any:
        await self.inner.keep(deliveries)
        return []


@lie("keep-extends-nothing", "says it keeps leases and lets them end", "CON-09", "CON-10")
class KeepExtendsNothing(LyingMember):
    async def keep(self, deliveries: Sequence[Delivery]) -> Any:
        return []


@lie("keep-tells-all-lost", "says every delivery is lost", "CON-09")
class KeepTellsAllLost(LyingMember):
    async def keep(self, deliveries: Sequence[Delivery]) -> Any:
        return deliveries


@lie("keep-raises", "raises from keep for a delivery it lost", "CON-09")
class KeepRaises(LyingMember):
    async def keep(self, deliveries: Sequence[Delivery]) -> Any:
        lost = await self.inner.keep(deliveries)
        if lost:
            raise BackendUnavailable("no such delivery")
        return lost


@lie("lease-never-ends", "keeps what a member neither settles nor keeps", "CON-09")
class LeaseNeverEnds(LyingBroker):
    async def subscribe(self, source: Source, **options: Any) -> Any:
        inner = await super().subscribe(source, **options)
        inner._lease_s = 3600.0
        return inner

    def abandon(self) -> None:
        self._closed = True


class Unleased(LyingBroker):
    """No lie: it has no leases, says so, and holds what it handed out."""

    held_s: ClassVar[float] = 3600.0
    claimed = replace(
        TRUE, support={**TRUE.support, "lease_extension": Support.UNSUPPORTED}, lease_s=None
    )

    async def open(self, events: Any) -> Capabilities:
        await super().open(events)
        return self.claimed

    async def subscribe(self, source: Source, **options: Any) -> Any:
        inner = await super().subscribe(source, **options)
        inner._lease_s = self.held_s
        return inner


class NoLease(MemoryOptions):
    """Options of a backend that has no leases."""

    @field_validator("lease_s")
    @classmethod
    def _none(cls, value: float) -> float:
        if value != cls.model_fields["lease_s"].default:
            raise ValueError("there are no leases here")
        return value


@lie("lease-runs-out-in-secret", "has leases and does not say so", "CON-09", options=NoLease)
class LeaseRunsOutInSecret(Unleased):
    held_s = 0.2


@lie("burns-the-lease-in-its-buffer", "begins a lease long before handing out", "CON-10")
class BurnsTheLeaseInItsBuffer(LyingMember):
    """Fetches everything at once into a buffer of its own, where the lease runs unkept."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.buffer: deque[Delivery] = deque()

    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        if not self.buffer:
            self.buffer += await self.inner.receive(max_messages=1000, wait_s=wait_s)
        await asyncio.sleep(0)
        return [self.buffer.popleft() for _ in range(min(1, len(self.buffer)))]

    async def keep(self, deliveries: Sequence[Delivery]) -> Any:
        await self.inner.keep(deliveries[:1])
        return []


@lie("prefetch-counts-calls", "gives as much as prefetch with every call", "CON-05", "ACK-04")
class PrefetchCountsCalls(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        limit, self.inner._prefetch = self.inner._prefetch, 10_000
        try:
            return await self.inner.receive(max_messages=min(limit, max_messages), wait_s=wait_s)
        finally:
            self.inner._prefetch = limit


@lie("pause-is-deaf", "hands out messages while paused", "CON-08", "LIF-06")
class PauseIsDeaf(LyingMember):
    async def pause(self) -> None:
        """Say that it is paused."""


@lie("pause-leaves", "leaves the group to pause", "CON-08")
class PauseLeaves(LyingMember):
    async def pause(self) -> None:
        for delivery, _ in tuple(self.inner._held.values()):
            await self.inner.settle([Settlement(delivery, RELEASE)], timeout_s=5)
        await self.inner.pause()


@lie("resume-is-deaf", "stays paused for ever", "CON-08")
class ResumeIsDeaf(LyingMember):
    async def resume(self) -> None:
        """Say that it goes on."""


@lie("resume-loses-messages", "drops what came during a pause", "CON-08")
class ResumeLosesMessages(LyingMember):
    async def resume(self) -> None:
        for group in self.inner.groups:
            group.purge()
        await self.inner.resume()


@lie("ignores-order-by-key", "declares order by key and hands out as it comes", "ORD-02", "ORD-03")
class IgnoresOrderByKey(LyingBroker):
    async def declare(self, topology: Topology, **options: Any) -> None:
        loose = tuple(GroupSpec(g.topic, g.name) for g in topology.groups)
        await super().declare(Topology(topology.topics, loose), **options)


@lie("order-only-within-a-member", "keeps a key in order within each member", "ORD-02", "ORD-03")
class OrderOnlyWithinAMember(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        for group in self.inner.groups:
            mine = {d.key for d, _ in self.inner._held.values() if d.key}
            group.busy_keys &= mine
            for key in [key for key in group.parked if key not in mine]:
                parked = group.parked.pop(key)
                group.parked_count -= len(parked)
                group.ready[1].extendleft(reversed(parked))
        return await self.inner.receive(max_messages=max_messages, wait_s=min(wait_s, 0.02))


@lie("takes-all-keys-for-one", "hands out one key at a time", "ORD-06")
class TakesAllKeysForOne(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        if self.source.order == "key" and self.inner._held:
            await asyncio.sleep(min(wait_s, 0.002))
            return []
        return await self.inner.receive(max_messages=1, wait_s=min(wait_s, 0.05))


@lie("partition-is-always-zero", "says partition 0 of every delivery", "MSG-01")
class PartitionIsAlwaysZero(_Told):
    def tell(self, delivery: Delivery) -> None:
        delivery.message = replace(delivery.message, partition=0)
