"""Making and checking topics, groups and their companions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from aiormq.channel import Channel
from aiormq.exceptions import ChannelPreconditionFailed

from anymq.errors import TopologyError
from anymq.topology import GroupSpec, TopicSpec, Topology
from anymq_rabbitmq.addressing import queue_destination, topic_destination
from anymq_rabbitmq.catalog import Catalog, CatalogEntry
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.errors import text_of
from anymq_rabbitmq.ladder import (
    LADDER_END,
    bind_destination,
    bind_exchange,
    declare_ladder,
)
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.names import check_length, dead_queue, group_queue
from anymq_rabbitmq.on_disk import until_on_disk
from anymq_rabbitmq.quorum import quorum_arguments
from anymq_rabbitmq.scratch import scratch_channel

__all__ = ["Declarer"]


class Declarer:
    """Works on throw-away channels: a refused declaration closes the one it was made on."""

    def __init__(
        self,
        link: Link,
        directory: Directory,
        catalog: Catalog,
        physical: Callable[[str], str],
        *,
        timeout_s: float,
    ) -> None:
        self._link = link
        self._directory = directory
        self._catalog = catalog
        self._physical = physical
        self._timeout_s = timeout_s

    async def make(self, topology: Topology, *, is_repair: bool = False) -> None:
        """Create what is missing. Raises TopologyError for what exists and differs.

        ``is_repair``: that it was noted once says nothing of whether it exists.
        """
        if not topology.topics and not topology.groups:
            return
        await self._on_channel(declare_ladder)
        await self._catalog.make()
        for topic in topology.topics:
            await self._on_channel(partial(self._make_topic, topic))
        for group in topology.groups:
            await self._make_group(group)
        unnoted = await self._catalog.missing(self._entries(topology))
        if unnoted or is_repair:
            await until_on_disk()
        await self._catalog.add(unnoted)  # now: what is noted is taken to be on disk

    async def check(self, topology: Topology) -> None:
        """Raise TopologyError that lists all that is missing."""
        self._directory.forget()
        exchanges = {self._physical(topic.name): topic.name for topic in topology.topics}
        queues = [
            name(self._physical(group.topic), group.name)
            for group in topology.groups
            for name in (group_queue, dead_queue)
        ]
        missing = [
            f"topic {topic!r}"
            for exchange, topic in exchanges.items()
            if not await self._directory.has_exchange(exchange)
        ]
        missing += [f"queue {q!r}" for q in queues if not await self._directory.has_queue(q)]
        if not await self._directory.has_exchange(LADDER_END):
            missing.append("the delay ladder")
        if missing:
            raise TopologyError(f"not declared on RabbitMQ: {', '.join(missing)}")

    def _entries(self, topology: Topology) -> list[CatalogEntry]:
        topics = [
            CatalogEntry(self._physical(topic.name), partitions=topic.partitions)
            for topic in topology.topics
        ]
        return topics + [CatalogEntry(self._physical(g.topic), g.name) for g in topology.groups]

    async def _make_topic(self, topic: TopicSpec, channel: Channel) -> None:
        name = check_length(self._physical(topic.name))
        await channel.exchange_declare(name, exchange_type="topic", durable=True)
        await bind_exchange(channel, name, topic_destination(name, "*"))

    async def _make_group(self, group: GroupSpec) -> None:
        topic = self._physical(group.topic)
        main = check_length(group_queue(topic, group.name))
        dead = check_length(dead_queue(topic, group.name))
        for queue in (main, dead):
            await self._make_queue(queue)

        async def bind(channel: Channel) -> None:
            await channel.queue_bind(main, topic, "#")
            await bind_destination(channel, main, queue_destination(main))

        await self._on_channel(bind)

    async def _make_queue(self, name: str) -> None:
        arguments = quorum_arguments(self._link.server_version)
        try:
            await self._on_channel(
                lambda channel: channel.queue_declare(name, durable=True, arguments=arguments)
            )
        except TopologyError as error:
            cause = error.__cause__
            if not isinstance(cause, ChannelPreconditionFailed):
                raise
            if "x-delivery-limit" not in text_of(cause):
                raise
            # Declared before the server was upgraded: it stays as it is, a policy can lift it.

    async def _on_channel(self, work: Callable[[Channel], Awaitable[object]]) -> None:
        async with scratch_channel(self._link, "declaring", self._timeout_s) as channel:
            await work(channel)
