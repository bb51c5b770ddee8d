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

__all__ = ["RabbitManagement"]

T = TypeVar("T")


class RabbitManagement(Management):
    """Lists by the catalog, counts by passive declares. What is in flight AMQP does not tell."""

    def __init__(
        self,
        link: Link,
        directory: Directory,
        catalog: Catalog,
        context: BackendContext,
        *,
        on_removed: Callable[[str, str], None],
        timeout_s: float,
    ) -> None:
        self._link = link
        self._on_removed = on_removed
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
        if counted is not None and counted[1]:
            raise Busy(f"group {group!r} of {topic!r} has {counted[1]} member(s)")
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
        ready, members = main
        return GroupState(
            topic=topic,
            name=group,
            ready=ready,
            in_flight=None,
            delayed=None,
            dead=dead[0] if dead is not None else None,
            members=members,
            idle_s=0.0 if members else None,
        )

    async def _do(self, work: Callable[[Channel], Awaitable[T]]) -> T:
        async with scratch_channel(self._link, "managing", self._timeout_s) as channel:
            return await work(channel)
