"""Changing what exists: other partitions, or another order, of a group that holds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from anymq.errors import TopologyError
from anymq.topology import Topology
from anymq_rabbitmq.catalog import CatalogEntry
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.groups import GroupFacts
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.scratch import scratch_channel

__all__ = ["Reshaping"]


class Reshaping:
    """Removes the queues of a group's former shape, if nothing waits in them and nobody reads."""

    def __init__(self, link: Link, directory: Directory, *, timeout_s: float) -> None:
        self._link = link
        self._directory = directory
        self._timeout_s = timeout_s

    async def run(
        self,
        topology: Topology,
        groups: Iterable[GroupFacts],
        known: Iterable[CatalogEntry],
        physical: Callable[[str], str],
    ) -> None:
        """Make room for a declaration. Raises TopologyError where something is unsettled."""
        before = {(entry.topic, entry.group): entry for entry in known}
        for spec in topology.topics:
            topic = physical(spec.name)
            entry = before.get((topic, None))
            if entry is not None and entry.partitions != spec.partitions:
                await self._check_empty(
                    [_facts(other) for other in before.values() if other.topic == topic],
                    f"topic {spec.name!r} has {entry.partitions} partitions, not {spec.partitions}",
                )
        for facts in groups:
            entry = before.get((facts.owner, facts.name))
            if entry is None:
                continue
            former = _facts(entry)
            gone = [queue for queue in former.queues if queue not in facts.queues]
            if gone:
                what = f"group {facts.name!r} of {facts.owner!r} has order={former.order!r}"
                await self._check_empty([former], f"{what}, {former.partitions} partition(s)")
                await self._remove(former, gone)

    async def _check_empty(self, groups: Iterable[GroupFacts], what: str) -> None:
        for facts in groups:
            for queue in facts.queues if facts.name else ():
                counted = await self._directory.count(queue)
                if counted is not None and any(counted):
                    raise TopologyError(
                        f"{what}; it cannot be changed while {queue!r} has {counted[0]} message(s)"
                        f" and {counted[1]} consumer(s)"
                    )

    async def _remove(self, former: GroupFacts, queues: Iterable[str]) -> None:
        doing = "changing a group"
        async with scratch_channel(self._link, doing, self._timeout_s) as channel:
            for queue in queues:
                await channel.queue_delete(queue)
            if former.order == "key":
                await channel.exchange_delete(f"{former.base}#")
                await channel.exchange_delete(f"{former.base}#rest")
        self._directory.forget()


def _facts(entry: CatalogEntry) -> GroupFacts:
    return GroupFacts(entry.topic, entry.group or "", entry.order, entry.partitions)
