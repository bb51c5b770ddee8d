"""The operator's view of a cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from anymq.abc import DeadLetterEntry, GroupState, Management, TopicState
from anymq.abc.management import Resolution
from anymq.errors import Busy, TopologyError
from anymq_kafka.catalog import groups_in, topics_in
from anymq_kafka.dead_letters import DeadLetters
from anymq_kafka.group_admin import GroupAdmin
from anymq_kafka.lag import waiting_for
from anymq_kafka.link import Link
from anymq_kafka.offsets import FIRST, LAST, Partition
from anymq_kafka.operator_lease import OperatorLeases

__all__ = ["KafkaManagement"]


Holds = Callable[[str, str], tuple[int, int]]
"""Members and deliveries in hand, of a topic's group."""
PurgeOwn = Callable[[str, str, float], Awaitable[int]]
"""Drops what waits in partitions that own members have; topic, group, limit in seconds."""


class KafkaManagement(Management):
    """Counts offsets. What is in flight is known while all members are this Broker's own."""

    def __init__(self, link: Link, holds: Holds, purge_own: PurgeOwn) -> None:
        """What the Broker has of a topic's group, and how it drops what waits there."""
        self._holds = holds
        self._purge_own = purge_own
        self._link = link
        self._leases = OperatorLeases(link)
        self._names = link.names
        self._timeout_s = link.options.request_timeout_s
        self._groups = GroupAdmin(link.clients.admin, timeout_s=self._timeout_s)

    async def topics(self) -> Sequence[TopicState]:
        there = await self._topics()
        at = {name: self._partitions(self._names.topic(name), there[name]) for name in there}
        everything = [partition for partitions in at.values() for partition in partitions]
        stored = await self._stored(everything)
        return [
            TopicState(name, there[name], sum(stored[partition] for partition in at[name]))
            for name in there
        ]

    async def groups(self, topic: str | None = None) -> Sequence[GroupState]:
        there = await self._topics()
        if topic is not None and topic not in there:
            raise TopologyError(f"topic {topic!r} does not exist")
        wanted = there if topic is None else {topic: there[topic]}
        found = groups_in(await self._groups.ids(), wanted, self._names)
        members = await self._groups.members([self._names.group(*each) for each in found])
        return [
            await self._state(name, group, there[name], members[self._names.group(name, group)])
            for name, group in found
        ]

    async def dead_letters(
        self, topic: str, group: str, *, limit: int, after: str | None = None
    ) -> Sequence[DeadLetterEntry]:
        entries = await DeadLetters(self._link, topic, group).entries()
        ids = list(entries)
        begin = ids.index(after) + 1 if after in entries else 0
        return [entries[entry] for entry in ids[begin : begin + limit]]

    async def resolve(
        self, topic: str, group: str, ids: Sequence[str], resolution: Resolution
    ) -> int:
        await self._leases.require_free(self._operator_group(topic, group), self._groups)
        return await DeadLetters(self._link, topic, group).remove(ids)

    def administer(
        self, topic: str, group: str, *, lease_s: float
    ) -> AbstractAsyncContextManager[None]:
        return self._leases.hold(
            self._operator_group(topic, group),
            self._names.topic(topic, group, "dead"),
            self._groups,
            lease_s=lease_s,
        )

    async def purge(self, topic: str, group: str) -> int:
        group_id = self._names.group(topic, group)
        at = await self._read_by(topic, group)
        ends = await self._link.clients.offsets.ends(at, LAST, timeout_s=self._timeout_s)
        waiting = await self._waiting(topic, group, len(at) // 2)
        own, _ = self._holds(topic, group)
        members = (await self._groups.members([group_id]))[group_id]
        if own and own == members:
            return await self._purge_own(topic, group, self._timeout_s)
        await self._groups.require_empty(group_id)
        if not await self._link.clients.offsets.commit(group_id, ends, timeout_s=self._timeout_s):
            raise Busy(f"group {group!r} of topic {topic!r} has members: stop them first")
        return waiting

    async def remove_group(self, topic: str, group: str) -> None:
        group_id = self._names.group(topic, group)
        await self._groups.require_empty(group_id)
        await self._groups.delete(group_id)
        companions = [self._names.topic(topic, group, lane) for lane in ("retry", "dead")]
        for name in companions:
            self._link.clients.directory.forget(name)
        await self._groups.delete_topics(companions)

    async def _state(self, topic: str, group: str, partitions: int, members: int) -> GroupState:
        dead = await DeadLetters(self._link, topic, group).entries()
        waiting = await self._waiting(topic, group, partitions)
        own, out = self._holds(topic, group)
        return GroupState(
            topic=topic,
            name=group,
            ready=max(waiting - out, 0),
            in_flight=out if own == members else None,
            delayed=None,
            dead=len(dead),
            members=members,
            idle_s=0.0 if members else None,
        )

    async def _waiting(self, topic: str, group: str, partitions: int) -> int:
        return await waiting_for(self._link, topic, group, partitions, timeout_s=self._timeout_s)

    async def _stored(self, at: Sequence[Partition]) -> dict[Partition, int]:
        offsets = self._link.clients.offsets
        ends = await offsets.ends(at, LAST, timeout_s=self._timeout_s)
        begins = await offsets.ends(at, FIRST, timeout_s=self._timeout_s)
        return {one: ends[one] - begins[one] for one in at}

    async def _read_by(self, topic: str, group: str) -> list[Partition]:
        lanes = [self._names.topic(topic), self._names.topic(topic, group)]
        there = await self._link.clients.directory.describe(lanes, timeout_s=self._timeout_s)
        if len(there) < len(lanes):
            raise TopologyError(f"group {group!r} of topic {topic!r} is not declared")
        return [at for lane in lanes for at in self._partitions(lane, len(there[lane].partitions))]

    async def _topics(self) -> dict[str, int]:
        there = await self._link.clients.directory.everything(timeout_s=self._timeout_s)
        return topics_in(there, self._names)

    def _operator_group(self, topic: str, group: str) -> str:
        return f"anymq.operator.{self._names.group(topic, group)}"

    @staticmethod
    def _partitions(physical: str, count: int) -> list[Partition]:
        return [(physical, number) for number in range(count)]
