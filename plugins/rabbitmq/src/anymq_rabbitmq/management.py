"""The operator's view of topics, groups and dead letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeVar

from aiormq.channel import Channel
from pamqp.commands import Exchange, Queue

from anymq.abc import BackendContext, DeadLetterEntry, GroupState, Management, TopicState
from anymq.abc.management import Resolution
from anymq.errors import Busy, TopologyError
from anymq_rabbitmq.catalog import Catalog, CatalogEntry
from anymq_rabbitmq.dead_letters import DeadLetterDesk
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.groups import GroupFacts, Groups
from anymq_rabbitmq.keyed import KeyedSubscription
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.scratch import scratch_channel
from anymq_rabbitmq.subscription import RabbitSubscription

__all__ = ["RabbitManagement"]

T = TypeVar("T")


class RabbitManagement(Management):
    """Lists by the catalog, counts by passive declares. What is in flight AMQP tells of nobody."""

    def __init__(
        self,
        link: Link,
        directory: Directory,
        catalog: Catalog,
        groups: Groups,
        context: BackendContext,
        *,
        on_removed: Callable[[str, str], None],
        members_of: Callable[[str, str], Sequence[RabbitSubscription | KeyedSubscription]],
        timeout_s: float,
    ) -> None:
        self._link = link
        self._on_removed = on_removed
        self._members_of = members_of
        self._directory = directory
        self._catalog = catalog
        self._groups = groups
        self._context = context
        self._desk = DeadLetterDesk(link, directory, groups, context, timeout_s=timeout_s)
        self._timeout_s = timeout_s

    async def topics(self) -> Sequence[TopicState]:
        topics = [entry for entry in await self._entries() if entry.group is None]
        return [
            TopicState(self._logical(entry), entry.partitions, None)
            for entry in sorted(topics, key=lambda entry: entry.topic)
        ]

    async def groups(self, topic: str | None = None) -> Sequence[GroupState]:
        entries = await self._entries()
        if topic is not None:
            entries = [entry for entry in entries if self._logical(entry) == topic]
            if not entries:
                raise TopologyError(f"the topic {topic!r} is not declared")
        self._groups.learn(entries)
        states = [
            await self._state(self._logical(entry), entry.group)
            for entry in sorted(entries, key=lambda entry: (entry.topic, entry.group or ""))
            if entry.group is not None
        ]
        return [state for state in states if state is not None]

    async def dead_letters(
        self, topic: str, group: str, *, limit: int, after: str | None = None
    ) -> Sequence[DeadLetterEntry]:
        return await self._desk.entries(topic, group, limit=limit, after=after)

    async def resolve(
        self, topic: str, group: str, ids: Sequence[str], resolution: Resolution
    ) -> int:
        return await self._desk.resolve(topic, group, ids)

    def administer(
        self, topic: str, group: str, *, lease_s: float
    ) -> AbstractAsyncContextManager[None]:
        return self._desk.hold(topic, group, lease_s=lease_s)

    async def purge(self, topic: str, group: str) -> int:
        facts = await self._facts(topic, group)
        count = 0
        for queue in facts.queues:
            answer = await self._do(partial(_purge, queue=queue))
            count += answer.message_count or 0
        return count

    async def remove_group(self, topic: str, group: str) -> None:
        facts = await self._facts(topic, group)
        counted = await self._count(facts)
        members = self._members(counted[1], topic, group) if counted is not None else 0
        if members:
            raise Busy(f"group {group!r} of {topic!r} has {members} member(s)")
        self._on_removed(topic, group)
        for queue in (*facts.queues, facts.dead, facts.alone):
            await self._do(partial(_delete, queue=queue))
        if facts.order == "key":
            for exchange in (f"{facts.base}#", f"{facts.base}#rest"):
                await self._do(partial(_delete_exchange, exchange=exchange))
        self._directory.forget()
        self._groups.forget(facts.owner, facts.name)
        await self._catalog.remove(facts.owner, group)

    async def _entries(self) -> list[CatalogEntry]:
        prefix = self._context.physical("")
        return [entry for entry in await self._catalog.entries() if entry.topic.startswith(prefix)]

    def _logical(self, entry: CatalogEntry) -> str:
        return entry.topic.removeprefix(self._context.physical(""))

    async def _state(self, topic: str, group: str) -> GroupState | None:
        facts = await self._facts(topic, group)
        main = await self._count(facts)
        dead = await self._directory.count(facts.dead)
        if main is None:
            return None  # deleted by other means than ours
        ready, consumers = main
        members = self._members(consumers, topic, group)
        return GroupState(
            topic=topic,
            name=group,
            ready=ready,
            in_flight=self._in_flight(consumers, topic, group),
            delayed=None,
            dead=dead[0] if dead is not None else None,
            members=members,
            idle_s=0.0 if members else None,
        )

    async def _facts(self, topic: str, group: str) -> GroupFacts:
        found = await self._groups.find(self._context.physical(topic), group)
        if found is None:
            raise TopologyError(f"group {group!r} of {topic!r} is not declared")
        return found

    async def _count(self, facts: GroupFacts) -> tuple[int, int] | None:
        """What waits in all partitions, and the consumers of the one that has most."""
        counts = [await self._directory.count(queue) for queue in facts.queues]
        found = [counted for counted in counts if counted is not None]
        if not found:
            return None
        alone = await self._directory.count(facts.alone)
        waiting = sum(ready for ready, _ in found) + (alone[0] if alone is not None else 0)
        return waiting, max(consumers for _, consumers in found)

    def _members(self, consumers: int, topic: str, group: str) -> int:
        """Those that the server counts, and ours that have not begun to receive."""
        ours = self._members_of(topic, group)
        return consumers + sum(not member.is_consuming for member in ours)

    def _in_flight(self, consumers: int, topic: str, group: str) -> int | None:
        """What is with our own members; None where there are others, of whom AMQP tells nothing."""
        ours = self._members_of(topic, group)
        if consumers > sum(member.is_consuming for member in ours):
            return None
        return sum(member.in_flight(topic) for member in ours)

    async def _do(self, work: Callable[[Channel], Awaitable[T]]) -> T:
        async with scratch_channel(self._link, "managing", self._timeout_s) as channel:
            return await work(channel)


async def _purge(channel: Channel, queue: str) -> Queue.PurgeOk:
    return await channel.queue_purge(queue)


async def _delete(channel: Channel, queue: str) -> Queue.DeleteOk:
    return await channel.queue_delete(queue)


async def _delete_exchange(channel: Channel, exchange: str) -> Exchange.DeleteOk:
    return await channel.exchange_delete(exchange)
