"""Beginning a subscription: what must be there, and one member per topic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from uuid import uuid4

from confluent_kafka.admin._listoffsets import OffsetSpec

from anymq.abc.broker import OnLost
from anymq.errors import AnyMQError, InvalidState, TopologyError
from anymq.topology import Source, is_pattern, matches
from anymq_kafka.group_admin import GroupAdmin
from anymq_kafka.group_member import GroupMember
from anymq_kafka.link import Link
from anymq_kafka.member import Member
from anymq_kafka.offsets import FIRST, LAST
from anymq_kafka.patterns import Patterns
from anymq_kafka.private_member import PrivateMember
from anymq_kafka.subscription import KafkaSubscription
from anymq_kafka.together import together

__all__ = ["Joining"]

_JOIN_S = 5.0
"""Rebalances take a second or two; brokers let the first member of a group wait for three."""
_LOOK_S = 0.05
_LADDER = "anymq.delay."
"""Nobody counts on a share of core's delay ladder, which has a topic for each of many delays."""


class Joining:
    """Makes one subscription, and finds further topics for its patterns later."""

    def __init__(self, link: Link, source: Source, *, prefetch: int) -> None:
        self._link = link
        self._clients = link.clients
        self._names = link.names
        self._timeout_s = link.options.request_timeout_s
        self._groups = GroupAdmin(self._clients.admin, timeout_s=self._timeout_s)
        self._group = source.group
        self._prefetch = prefetch
        self._plain = [topic for topic in source.topics if not is_pattern(topic)]
        self._patterns = [topic for topic in source.topics if is_pattern(topic)]
        self._joined: set[str] = set()
        self._generation = link.declarations.generation

    async def subscribe(self, on_lost: OnLost) -> KafkaSubscription:
        """As ``Broker.subscribe``."""
        if self._prefetch < 1 or not (self._plain or self._patterns):
            raise InvalidState("a subscription needs a topic, and a prefetch of at least 1")
        await self._link.restore(timeout_s=self._timeout_s)
        self._generation = self._link.declarations.generation
        await self._exist()
        await self._check_patterns()
        subscription = KafkaSubscription(
            self._group,
            prefetch=self._prefetch,
            on_lost=on_lost,
            check=self.check,
            look_for_more=self.look_for_more if self._patterns else None,
            on_trimmed=self._link.note_trimmed,
        )
        found = await self._matching()
        members = await self._join([*self._plain, *found], subscription, LAST)
        subscription.begin(members)
        is_joined = False
        try:
            await self._assigned()
            is_joined = True
        finally:
            if not is_joined:  # cancelled
                await subscription.aclose(timeout_s=self._timeout_s)
        return subscription

    async def check(self, subscription: KafkaSubscription, is_suspect: bool) -> None:
        """Begin anew where the cluster lost all and was restored.

        ``is_suspect``: raise TopologyError unless the topics that were named are there, with their
        groups.
        """
        if is_suspect:
            self._link.note_missing()
        await self._link.restore(timeout_s=self._timeout_s)
        generation = self._link.declarations.generation
        if generation == self._generation:
            if is_suspect:
                await self._exist()
            return
        self._joined.clear()
        found = [*self._plain, *await self._matching()]
        members = await self._join(found, subscription, FIRST)
        self._generation = generation
        subscription.begin_anew(members)

    async def _exist(self) -> None:
        lanes = {self._names.topic(topic): topic for topic in self._plain}
        if self._group is not None:
            lanes |= {self._names.topic(topic, self._group): topic for topic in self._plain}
        there = await self._clients.directory.describe(lanes, timeout_s=self._timeout_s)
        gone = sorted(lanes.keys() - there.keys())
        if gone:
            raise TopologyError(f"no topic {', '.join(map(repr, gone))}: is it declared?")
        await together(self._check_group(topic) for topic in self._plain)

    async def _assigned(self) -> None:
        """Wait, for a while, until every partition has its owner: then each member has its share.

        Without it what is sent right after a start would all be read by the member that was first.
        """
        if self._group is None:
            return
        group = self._group
        shared = [topic for topic in self._joined if not topic.startswith(_LADDER)]
        await together(self._owned(topic, group) for topic in sorted(shared))

    async def _owned(self, topic: str, group: str) -> None:
        count = self._clients.directory.known.get(self._names.topic(topic), 0)
        group_id = self._names.group(topic, group)
        try:
            async with asyncio.timeout(_JOIN_S):
                # The cluster tells nobody of it, so there is no event to wait for.
                while await self._groups.owned_partitions(group_id) < count:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)
        except (TimeoutError, AnyMQError):
            return  # the members go on joining by themselves

    async def look_for_more(self, subscription: KafkaSubscription) -> None:
        """Join topics that match a pattern and were declared since."""
        found = set(await self._matching()) - self._joined
        if found:
            subscription.begin(await self._join(sorted(found), subscription, FIRST))

    async def _check_group(self, topic: str) -> None:
        if self._group is not None and not await self._is_declared(topic, self._group):
            raise TopologyError(f"group {self._group!r} of topic {topic!r} is not declared")

    async def _check_patterns(self) -> None:
        patterns = Patterns(self._link)
        for pattern in self._patterns if self._group is not None else ():
            group = self._group or ""
            if not await patterns.is_remembered(pattern, group, timeout_s=self._timeout_s):
                raise TopologyError(f"group {group!r} of pattern {pattern!r} is not declared")

    async def _is_declared(self, topic: str, group: str) -> bool:
        group_id = self._names.group(topic, group)
        name = self._names.topic(topic)
        count = self._clients.directory.known.get(name, 0)
        at = [(name, number) for number in range(count)]
        found = await self._clients.offsets.committed(group_id, at, timeout_s=self._timeout_s)
        return bool(found)

    async def _matching(self) -> list[str]:
        """Topics that a pattern means and that are ready to be read by this group."""
        if not self._patterns:
            return []
        there = await Patterns(self._link).topics(timeout_s=self._timeout_s)
        found = [t for t in there if any(matches(pattern, t) for pattern in self._patterns)]
        if self._group is None:
            return found
        return [t for t in found if t in self._joined or await self._is_declared(t, self._group)]

    async def _join(
        self, topics: Iterable[str], subscription: KafkaSubscription, start: OffsetSpec
    ) -> list[Member]:
        """A member per topic; ``start``: where anonymous ones begin."""
        wanted = sorted(set(topics) - self._joined)
        self._joined |= set(wanted)
        if self._group is not None:
            return [self._member(topic, self._group, subscription) for topic in wanted]
        return [await self._private(topic, subscription, start) for topic in wanted]

    def _member(self, topic: str, group: str, subscription: KafkaSubscription) -> Member:
        group_id = self._names.group(topic, group)
        return GroupMember(
            self._link.config.member(group_id, self._prefetch),
            name=f"{self._link.client_id}-kafka-{group_id}",
            bridge=self._clients.bridge,
            prefetch=self._prefetch,
            sink=subscription,
            topic=topic,
            main=self._names.topic(topic),
            retry=self._names.topic(topic, group),
            grace_s=self._link.options.revoke_grace_s,
            is_settled=partial(self._groups.is_settled, group_id),
        )

    async def _private(
        self, topic: str, subscription: KafkaSubscription, start: OffsetSpec
    ) -> Member:
        name = self._names.topic(topic)
        there = await self._clients.directory.describe([name], timeout_s=self._timeout_s)
        count = len(there[name].partitions) if name in there else 0
        starts = await self._clients.offsets.ends(
            [(name, number) for number in range(count)], start, timeout_s=self._timeout_s
        )
        return PrivateMember(
            self._link.config.private(f"anymq.private.{uuid4().hex}", self._prefetch),
            name=f"{self._link.client_id}-kafka-{name}",
            bridge=self._clients.bridge,
            prefetch=self._prefetch,
            sink=subscription,
            topic=topic,
            starts=starts,
        )
