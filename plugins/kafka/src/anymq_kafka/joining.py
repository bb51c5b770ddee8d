"""Beginning a subscription: what must be there, and one member per topic."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from anymq.abc.broker import OnLost
from anymq.errors import InvalidState, TopologyError
from anymq.topology import Source
from anymq_kafka.group_member import GroupMember
from anymq_kafka.link import Link
from anymq_kafka.member import Member
from anymq_kafka.offsets import LAST
from anymq_kafka.private_member import PrivateMember
from anymq_kafka.subscription import KafkaSubscription

__all__ = ["Joining"]


class Joining:
    """Makes subscriptions for one link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._clients = link.clients
        self._names = link.names
        self._timeout_s = link.options.request_timeout_s

    async def subscribe(
        self, source: Source, *, prefetch: int, on_lost: OnLost
    ) -> KafkaSubscription:
        """As ``Broker.subscribe``."""
        if prefetch < 1 or not source.topics:
            raise InvalidState("a subscription needs a topic, and a prefetch of at least 1")
        topics = self._physical(source)

        async def check() -> None:
            await self._check_topics(topics)

        await check()
        subscription = KafkaSubscription(
            topics, source.group, prefetch=prefetch, on_lost=on_lost, check=check
        )
        if source.group is None:
            members = [await self._private(topics, subscription, prefetch)]
        else:
            members = await self._members(source.topics, source.group, subscription, prefetch)
        subscription.begin(members)
        return subscription

    def _physical(self, source: Source) -> dict[str, str]:
        """Logical names by physical ones: the topics, and a group's retry companions."""
        found = {self._names.topic(topic): topic for topic in source.topics}
        if source.group is not None:
            found |= {self._names.topic(topic, source.group): topic for topic in source.topics}
        return found

    async def _check_topics(self, topics: dict[str, str]) -> None:
        there = await self._clients.directory.describe(topics, timeout_s=self._timeout_s)
        gone = sorted(topics.keys() - there.keys())
        if gone:
            raise TopologyError(f"no topic {', '.join(map(repr, gone))}: is it declared?")

    async def _members(
        self, topics: Sequence[str], group: str, subscription: KafkaSubscription, prefetch: int
    ) -> list[Member]:
        async with asyncio.TaskGroup() as checking:
            for topic in topics:
                checking.create_task(self._check_group(topic, group))
        return [self._member(topic, group, subscription, prefetch) for topic in topics]

    async def _check_group(self, topic: str, group: str) -> None:
        group_id = self._names.group(topic, group)
        there = await self._clients.offsets.committed(group_id, timeout_s=self._timeout_s)
        if not any(name == self._names.topic(topic) for name, _ in there):
            raise TopologyError(f"group {group!r} of topic {topic!r} is not declared")

    def _member(
        self, topic: str, group: str, subscription: KafkaSubscription, prefetch: int
    ) -> Member:
        group_id = self._names.group(topic, group)
        return GroupMember(
            self._link.config.member(group_id, prefetch),
            name=f"{self._link.client_id}-kafka-{group_id}",
            bridge=self._clients.bridge,
            prefetch=prefetch,
            sink=subscription,
            topic=self._names.topic(topic),
            retry_topic=self._names.topic(topic, group),
            grace_s=self._link.options.revoke_grace_s,
        )

    async def _private(
        self, topics: dict[str, str], subscription: KafkaSubscription, prefetch: int
    ) -> Member:
        partitions = [
            (name, number)
            for name in topics
            for number in range(self._clients.directory.known[name])
        ]
        starts = await self._clients.offsets.ends(partitions, LAST, timeout_s=self._timeout_s)
        group_id = f"anymq.private.{uuid4().hex}"
        return PrivateMember(
            self._link.config.consumer(group_id, prefetch),
            name=f"{self._link.client_id}-kafka-private",
            bridge=self._clients.bridge,
            prefetch=prefetch,
            sink=subscription,
            starts=starts,
        )
