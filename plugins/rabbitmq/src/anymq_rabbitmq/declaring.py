"""Making and checking topics, groups and their companions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from aiormq.channel import Channel
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.common import FieldTable

from anymq.errors import TopologyError
from anymq.topology import TopicSpec, Topology, is_pattern
from anymq_rabbitmq.catalog import Catalog, CatalogEntry
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.errors import text_of
from anymq_rabbitmq.groups import GroupFacts, Groups
from anymq_rabbitmq.ladder import LADDER_DONE, LADDER_END, declare_ladder
from anymq_rabbitmq.layout import (
    MEMBERS,
    bind_group,
    main_arguments,
    make_exchanges,
    make_topic,
)
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.names import check_length
from anymq_rabbitmq.on_disk import until_on_disk
from anymq_rabbitmq.quorum import quorum_arguments
from anymq_rabbitmq.reshaping import Reshaping
from anymq_rabbitmq.scratch import scratch_channel

__all__ = ["Declarer"]


class Declarer:
    """Works on throw-away channels: a refused declaration closes the one it was made on."""

    def __init__(
        self,
        link: Link,
        directory: Directory,
        catalog: Catalog,
        groups: Groups,
        physical: Callable[[str], str],
        *,
        queue_type: str,
        timeout_s: float,
    ) -> None:
        self._link = link
        self._directory = directory
        self._catalog = catalog
        self._groups = groups
        self._physical = physical
        self._queue_type = queue_type
        self._timeout_s = timeout_s
        self._reshaping = Reshaping(link, directory, timeout_s=timeout_s)

    async def make(self, topology: Topology, *, is_repair: bool = False) -> None:
        """Create what is missing. Raises TopologyError for what exists and differs.

        ``is_repair``: that it was noted once says nothing of whether it exists.
        """
        if not topology.topics and not topology.groups:
            return
        for name in [topic.name for topic in topology.topics]:
            check_length(self._physical(name))
        await self._make_common(is_repair=is_repair)
        known = await self._catalog.entries()
        self._groups.learn(known)
        groups = self._groups.of(topology)
        await self._reshaping.run(topology, groups, known, self._physical)
        for topic in topology.topics:
            await self._on_channel(partial(make_topic, name=self._physical(topic.name)))
        topics = {self._physical(topic.name): topic for topic in topology.topics}
        for group in groups:
            await self._make_group(group, topics.get(group.owner))
        entries = self._entries(topology, groups)
        await self._bind(groups, known | entries, among=entries)
        unnoted = [entry for entry in entries if entry not in known]
        if unnoted or is_repair:
            await until_on_disk()
        await self._catalog.add(unnoted)  # now: what is noted is taken to be on disk
        self._groups.note(groups)
        later = await self._catalog.entries() if unnoted else known
        if later - known - entries:  # somebody declared what may belong together with ours
            await self._bind(groups, later, among=entries)

    async def check(self, topology: Topology) -> None:
        """Raise TopologyError that lists all that is missing."""
        self._directory.forget()
        exchanges = {self._physical(topic.name): topic.name for topic in topology.topics}
        groups = self._groups.of(topology)
        queues = [q for facts in groups for q in (*facts.queues, facts.dead, facts.alone)]
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
        self._groups.note(groups)

    async def _make_common(self, *, is_repair: bool) -> None:
        """What all topics share: a hundred questions the first time, then one."""
        if is_repair:
            self._catalog.forget()
        if is_repair or not await self._directory.has_exchange(LADDER_DONE):
            await self._on_channel(declare_ladder)
        await self._on_channel(_declare_members)
        await self._catalog.make()

    def _entries(self, topology: Topology, groups: Iterable[GroupFacts]) -> set[CatalogEntry]:
        topics = {
            CatalogEntry(self._physical(topic.name), partitions=topic.partitions)
            for topic in topology.topics
        }
        return topics | {
            CatalogEntry(facts.owner, facts.name, facts.partitions, facts.order) for facts in groups
        }

    async def _make_group(self, facts: GroupFacts, topic: TopicSpec | None) -> None:
        version = self._link.server_version
        check_length(f"{facts.dead}#999")
        arguments = main_arguments(
            facts, topic, queue_type=self._queue_type, server_version=version
        )
        plain = quorum_arguments(version)
        wanted = [(queue, arguments) for queue in facts.queues]
        wanted += [(facts.dead, plain), (facts.alone, plain)]
        while wanted:
            await self._make_queues(wanted)
        if facts.order == "key":
            await self._on_channel(partial(make_exchanges, facts=facts))

    async def _bind(
        self,
        groups: Iterable[GroupFacts],
        entries: Iterable[CatalogEntry],
        *,
        among: Iterable[CatalogEntry],
    ) -> None:
        """Groups to their topics, and groups of patterns to every topic that they mean."""
        fresh = {entry.topic for entry in among if entry.group is None}
        topics = [entry.topic for entry in entries if entry.group is None]
        everyone = {(f.owner, f.name): f for f in groups}
        mine = set(everyone)
        for entry in entries:
            if entry.group is not None and is_pattern(entry.topic):
                facts = GroupFacts(entry.topic, entry.group, entry.order, entry.partitions)
                everyone.setdefault((entry.topic, entry.group), facts)

        async def bind_all(channel: Channel) -> None:
            for address, facts in everyone.items():
                if not is_pattern(facts.owner):
                    await bind_group(channel, facts, facts.owner)
                    continue
                for topic in topics:
                    if facts.reads(topic) and (address in mine or topic in fresh):
                        await bind_group(channel, facts, topic)

        await self._on_channel(bind_all)

    async def _make_queues(self, wanted: list[tuple[str, FieldTable]]) -> None:
        """Make them on one channel, and take them off the list, up to the first that differs."""
        name = ""

        async def make(channel: Channel) -> None:
            nonlocal name
            while wanted:
                name, arguments = wanted[0]
                await channel.queue_declare(name, durable=True, arguments=arguments)
                wanted.pop(0)

        try:
            await self._on_channel(make)
        except TopologyError as error:
            cause = error.__cause__
            if not isinstance(cause, ChannelPreconditionFailed):
                raise
            text = text_of(cause)
            if "x-message-ttl" in text:
                raise TopologyError(
                    f"the queue {name!r} exists with another retention_s: RabbitMQ cannot change"
                    f" it, so remove the group or keep to what it was ({text})"
                ) from error
            if "x-delivery-limit" not in text:
                raise
            # Declared before the server was upgraded: it stays as it is, a policy can lift it.
            wanted.pop(0)

    async def _on_channel(self, work: Callable[[Channel], Awaitable[object]]) -> None:
        async with scratch_channel(self._link, "declaring", self._timeout_s) as channel:
            await work(channel)


async def _declare_members(channel: Channel) -> None:
    await channel.exchange_declare(MEMBERS, exchange_type="topic", durable=True)
