"""A declared topology as Kafka topics and consumer groups."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from anymq.errors import TopologyError, UnsupportedError
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode, is_pattern
from anymq_kafka.declare import TopicPlan
from anymq_kafka.growing import grow_topics
from anymq_kafka.link import Link
from anymq_kafka.offsets import Partition
from anymq_kafka.patterns import Patterns
from anymq_kafka.together import together
from anymq_kafka.topic_config import topic_config

__all__ = ["TopologyKeeper"]


class TopologyKeeper:
    """Makes and checks topics, companions and groups."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._clients = link.clients
        self._names = link.names
        self._record_bytes = link.config.record_bytes

    async def declare(self, topology: Topology, *, mode: TopologyMode, timeout_s: float) -> None:
        """As ``Broker.declare``."""
        if mode is TopologyMode.ASSUME:
            return
        self._check_durability(topology)
        if mode is TopologyMode.VERIFY:
            await self._verify(topology, Patterns(self._link), timeout_s)
            return
        topics = await self._manage(topology, timeout_s)
        self._link.declarations.remember(topics, partial(self._manage, topology))

    async def _manage(self, topology: Topology, timeout_s: float) -> list[str]:
        """Make what is missing; the physical topics that are there now."""
        patterns = Patterns(self._link)
        await patterns.remember(topology, timeout_s=timeout_s)
        groups = await patterns.spell_out(topology, timeout_s=timeout_s)
        partitions = await self._partitions(topology.topics, groups, timeout_s)
        await grow_topics(self._link, topology.topics, timeout_s=timeout_s)
        plans = self._plans(topology.topics, groups, partitions)
        await self._clients.topics.make(plans, timeout_s=timeout_s)
        await together(
            self._clients.offsets.start(
                self._names.group(group.topic, group.name),
                self._names.topic(group.topic),
                self._read_by(group, partitions[group.topic]),
                timeout_s=timeout_s,
            )
            for group in groups
        )
        return [plan.name for plan in plans]

    def _check_durability(self, topology: Topology) -> None:
        given = self._link.capabilities.durability
        for spec in topology.topics:
            if spec.durability is not None and spec.durability > given:
                raise UnsupportedError(
                    f"topic {spec.name!r} asks durability={spec.durability.name.lower()!r}, and"
                    f" this Kafka confirms {given.name.lower()!r}: more needs three copies and"
                    " min.insync.replicas=2"
                )

    def _plans(
        self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec], partitions: dict[str, int]
    ) -> list[TopicPlan]:
        plans = [self._plan(spec) for spec in topics]
        for group in groups:
            plans += self._companions(group, partitions[group.topic])
        return plans

    async def _partitions(
        self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec], timeout_s: float
    ) -> dict[str, int]:
        """Partition counts by logical topic: as declared here, else as they are."""
        found = {spec.name: spec.partitions for spec in topics}
        others = {group.topic for group in groups} - found.keys()
        there = await self._clients.directory.describe(
            (self._names.topic(topic) for topic in others), timeout_s=timeout_s
        )
        for topic in others:
            description = there.get(self._names.topic(topic))
            if description is None:
                raise TopologyError(f"topic {topic!r} of a declared group does not exist")
            found[topic] = len(description.partitions)
        return found

    def _plan(self, spec: TopicSpec) -> TopicPlan:
        config = topic_config(self._record_bytes, max_age_s=spec.retention_s) | dict(spec.options)
        return TopicPlan(self._names.topic(spec.name), spec.partitions, config)

    def _companions(self, group: GroupSpec, partitions: int) -> list[TopicPlan]:
        """Retries are spread as the topic is; dead letters are kept by id until resolved."""
        config = topic_config(self._record_bytes)
        dead = {**config, "cleanup.policy": "compact"}
        return [
            TopicPlan(self._names.topic(group.topic, group.name, "retry"), partitions, config),
            TopicPlan(self._names.topic(group.topic, group.name, "dead"), 1, dead),
        ]

    def _read_by(self, group: GroupSpec, partitions: int) -> list[Partition]:
        main = self._names.topic(group.topic)
        retry = self._names.topic(group.topic, group.name, "retry")
        return [(topic, number) for topic in (main, retry) for number in range(partitions)]

    async def _verify(self, topology: Topology, patterns: Patterns, timeout_s: float) -> None:
        groups = await patterns.spell_out(topology, timeout_s=timeout_s)
        partitions = await self._partitions(topology.topics, groups, timeout_s)
        plans = self._plans(topology.topics, groups, partitions)
        found = await self._clients.topics.differences(plans, timeout_s=timeout_s)
        for group in topology.groups:
            if not await self._is_declared(group, partitions, patterns, timeout_s):
                found.append(f"group {group.name!r} of topic {group.topic!r} is not declared")
        if found:
            raise TopologyError("; ".join(found))

    async def _is_declared(
        self, group: GroupSpec, partitions: dict[str, int], patterns: Patterns, timeout_s: float
    ) -> bool:
        if is_pattern(group.topic):
            return await patterns.is_remembered(group.topic, group.name, timeout_s=timeout_s)
        group_id = self._names.group(group.topic, group.name)
        at = self._read_by(group, partitions[group.topic])
        return bool(await self._clients.offsets.committed(group_id, at, timeout_s=timeout_s))
