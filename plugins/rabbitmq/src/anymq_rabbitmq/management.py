"""The operator's view of topics, groups and dead letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from aiormq.channel import Channel

from anymq.abc import BackendContext, DeadLetterEntry, GroupState, Management, TopicState
from anymq.abc.management import Resolution
from anymq.errors import Busy, TopologyError
from anymq_rabbitmq.catalog import Catalog, CatalogEntry
from anymq_rabbitmq.dead_letters import DeadLetterDesk
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.names import dead_queue, group_queue
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
        context: BackendContext,
        *,
        on_removed: Callable[[str, str], None],
        members_of: Callable[[str, str], Sequence[RabbitSubscription]],
        timeout_s: float,
    ) -> None:
        self._link = link
        self._on_removed = on_removed
        self._members_of = members_of
        self._directory = directory
        self._catalog = catalog
        self._context = context
        self._desk = DeadLetterDesk(link, directory, context, timeout_s=timeout_s)
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
        queue = group_queue(self._context.physical(topic), group)
        answer = await self._do(lambda channel: channel.queue_purge(queue))
        return answer.message_count or 0

    async def remove_group(self, topic: str, group: str) -> None:
        name = self._context.physical(topic)
        main = group_queue(name, group)
        counted = await self._directory.count(main)
        members = self._members(counted[1], topic, group) if counted is not None else 0
        if members:
            raise Busy(f"group {group!r} of {topic!r} has {members} member(s)")
        self._on_removed(topic, group)
        await self._do(lambda channel: channel.queue_delete(main))
        await self._do(lambda channel: channel.queue_delete(dead_queue(name, group)))
        self._directory.forget()
        await self._catalog.remove(name, group)

    async def _entries(self) -> list[CatalogEntry]:
        prefix = self._context.physical("")
        return [entry for entry in await self._catalog.entries() if entry.topic.startswith(prefix)]

    def _logical(self, entry: CatalogEntry) -> str:
        return entry.topic.removeprefix(self._context.physical(""))

    async def _state(self, topic: str, group: str) -> GroupState | None:
        name = self._context.physical(topic)
        main = await self._directory.count(group_queue(name, group))
        dead = await self._directory.count(dead_queue(name, group))
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
