"""Lies about groups: where they start, what they keep, and who sees what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anymq.memory.group import Group
from anymq.message import Message
from anymq.topology import GroupSpec, Source, Topology, TopologyMode
from tests.conformance.broken.lie import LyingBroker, LyingMember, lie

__all__ = [
    "AnonymousIsShared",
    "AnonymousIsSharedWithTheGroup",
    "AnonymousRemembers",
    "AnonymousStartsAtTheBeginning",
    "DeclareMovesTheGroup",
    "DeclareRecreatesTheTopic",
    "FirstGroupTakesAll",
    "GroupIsSharedByTopics",
    "GroupStartsAtSubscription",
    "GroupStartsAtTheBeginning",
    "GroupStopsWithItsMembers",
    "LeavingMemberDropsPending",
    "MembersAllGetAll",
    "OneMemberTakesAll",
    "RetryIsPublic",
    "SlowGroupBlocksOthers",
    "SubscribeDeclares",
    "VerifyCreates",
    "WildcardMatchesAll",
]


def _named(broker: LyingBroker, topic: str) -> list[Group]:
    owner = broker.space.topics.get(topic)
    return list(owner.groups.values()) if owner else []


@lie("group-starts-at-subscription", "a group begins with its first member", "GRP-06", "GRP-13")
class GroupStartsAtSubscription(LyingBroker):
    async def subscribe(self, source: Source, **options: Any) -> Any:
        for topic in source.topics:
            group = self.space.group(topic, source.group) if source.group else None
            if group is not None and not getattr(group, "_was_joined", False):
                group.purge()
                group._was_joined = True  # type: ignore[attr-defined]
        return await super().subscribe(source, **options)


@lie("group-starts-at-the-beginning", "a new group gets what older ones have waiting", "GRP-06")
class GroupStartsAtTheBeginning(LyingBroker):
    async def declare(self, topology: Topology, **options: Any) -> None:
        before = {spec.topic: _named(self, spec.topic) for spec in topology.groups}
        await super().declare(topology, **options)
        for spec in topology.groups:
            fresh = self.space.topics[spec.topic].groups[spec.name]
            if before[spec.topic] and fresh not in before[spec.topic]:
                for message in self._log.get(spec.topic, ()):
                    fresh.push(message)

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        for message in messages:
            self._log.setdefault(message.topic, []).append(message)
        return await super().send(messages, **options)

    @property
    def _log(self) -> dict[str, list[Message]]:
        return self.space.__dict__.setdefault("_liar_log", {})  # type: ignore[no-any-return]


@lie("group-stops-with-its-members", "forgets what comes while nobody is connected", "GRP-05")
class GroupStopsWithItsMembers(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        for group in {g for m in messages for g in _named(self, m.topic)}:
            if not group.members and group.idle_since is not None:
                group.purge()
        return results


@lie("declare-moves-the-group", "declaring again moves a group to now", "LIF-14", "GRP-13")
class DeclareMovesTheGroup(LyingBroker):
    async def declare(self, topology: Topology, **options: Any) -> None:
        await super().declare(topology, **options)
        for spec in topology.groups:
            group = self.space.topics[spec.topic].groups.get(spec.name)
            if group is not None and not group.members:
                group.purge()


@lie("declare-recreates-the-topic", "declaring again makes the topic anew", "LIF-14", "GRP-13")
class DeclareRecreatesTheTopic(LyingBroker):
    async def declare(self, topology: Topology, *, mode: Any, timeout_s: float) -> None:
        if mode is TopologyMode.MANAGE:
            for topic in topology.topics:
                self.space.topics.pop(topic.name, None)
        await super().declare(topology, mode=mode, timeout_s=timeout_s)


@lie("subscribe-declares", "joins a group that nobody declared", "DEL-10")
class SubscribeDeclares(LyingBroker):
    async def subscribe(self, source: Source, **options: Any) -> Any:
        if source.group:
            groups = tuple(GroupSpec(topic, source.group) for topic in source.topics)
            topology = Topology((), groups)
            await super().declare(topology, mode=TopologyMode.MANAGE, timeout_s=5)
        return await super().subscribe(source, **options)


@lie("verify-creates", "creates what it should only look for", "DEL-10")
class VerifyCreates(LyingBroker):
    async def declare(self, topology: Topology, *, mode: Any, timeout_s: float) -> None:
        await super().declare(topology, mode=TopologyMode.MANAGE, timeout_s=timeout_s)


@lie("first-group-takes-all", "gives a message to one group of several", "GRP-01", "GRP-10")
class FirstGroupTakesAll(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        return await super().send([self._for_one(message) for message in messages], **options)

    def _for_one(self, message: Message) -> Message:
        groups = _named(self, message.topic)
        if message.group is None and len(groups) > 1:
            return replace(message, group=groups[0].name)
        return message


@lie("group-is-shared-by-topics", "takes groups of one name for one group", "DEL-04")
class GroupIsSharedByTopics(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        for message in messages:
            for group in _named(self, message.topic):
                for topic in self.space.topics:
                    twin = self.space.topics[topic].groups.get(group.name or "")
                    if twin is not None and twin is not group and topic[:17] == message.topic[:17]:
                        twin.push(message)
        return results


@lie("members-all-get-all", "gives every member of a group each message", "GRP-02", "CON-04")
class MembersAllGetAll(LyingBroker):
    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        results = await super().send(messages, **options)
        for message in messages:
            for group in _named(self, message.topic):
                for _ in range(group.members - 1):
                    group.push(message)
        return results


@lie("one-member-takes-all", "serves the member that came first alone", "GRP-02", "ORD-05")
class OneMemberTakesAll(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        first = self.inner._space.__dict__.setdefault("_liar_first", {})
        for group in self.inner.groups:
            owner = first.setdefault(group, self)
            if owner is not self and not owner.inner._closed:
                return await _nothing(self.inner, wait_s)
        return await self.inner.receive(max_messages=max_messages, wait_s=wait_s)


async def _nothing(inner: Any, wait_s: float) -> Any:
    inner._paused = True
    try:
        return await inner.receive(max_messages=1, wait_s=min(wait_s, 0.05))
    finally:
        inner._paused = False


@lie("anonymous-is-shared", "puts all anonymous subscriptions of a topic in one group", "GRP-03")
class AnonymousIsShared(LyingBroker):
    def _groups(self, source: Source) -> list[Group]:
        if source.group is None:
            with self.space.lock:
                there = list(self.space.topics[source.topics[0]].anonymous)
            if there:
                return there[:1]
        return super()._groups(source)

    def _forget(self, subscription: Any) -> None:
        if any(group.members for group in subscription.groups):
            self._subscriptions.remove(subscription)
        else:
            super()._forget(subscription)


@lie("anonymous-joins-the-group", "lets an anonymous subscription join a named group", "GRP-03")
class AnonymousIsSharedWithTheGroup(LyingBroker):
    def _groups(self, source: Source) -> list[Group]:
        named = _named(self, source.topics[0])
        return named[:1] if source.group is None and named else super()._groups(source)


@lie("anonymous-remembers", "keeps an anonymous subscription's place when it closes", "GRP-04")
class AnonymousRemembers(LyingBroker):
    def _groups(self, source: Source) -> list[Group]:
        if source.group is not None:
            return super()._groups(source)
        with self.space.lock:
            there = [g for g in self.space.topics[source.topics[0]].anonymous if not g.members]
        return there[:1] or super()._groups(source)

    def _forget(self, subscription: Any) -> None:
        self._subscriptions.remove(subscription)


@lie("anonymous-starts-early", "gives an anonymous subscription what a group has waiting", "GRP-04")
class AnonymousStartsAtTheBeginning(LyingBroker):
    def _groups(self, source: Source) -> list[Group]:
        groups = super()._groups(source)
        if source.group is None:
            for message in self.space.__dict__.get("_liar_sent", {}).get(source.topics[0], ()):
                groups[0].push(message)
        return groups

    async def send(self, messages: Sequence[Message], **options: Any) -> Any:
        sent = self.space.__dict__.setdefault("_liar_sent", {})
        for message in messages:
            sent.setdefault(message.topic, []).append(message)
        return await super().send(messages, **options)


@lie("retry-is-public", "gives a retry to every group of the topic", "GRP-11")
class RetryIsPublic(LyingMember):
    async def settle(self, items: Sequence[Any], *, timeout_s: float) -> Any:
        results = await self.inner.settle(items, timeout_s=timeout_s)
        again = [i.message for i in items if i.message is not None and i.message.attempt > 1]
        for message in again:
            for group in _named(self.broker, message.topic):  # type: ignore[arg-type]
                if group not in self.inner.groups:
                    group.push(message)
        return results


@lie("slow-group-blocks-others", "serves no group further than its slowest", "GRP-10")
class SlowGroupBlocksOthers(LyingMember):
    async def receive(self, *, max_messages: int, wait_s: float) -> Any:
        for group in self.inner.groups:
            others = _named(self.broker, group.topic)  # type: ignore[arg-type]
            if any(g.waiting + g.in_flight > group.waiting + group.in_flight + 20 for g in others):
                return await _nothing(self.inner, wait_s)
        return await self.inner.receive(max_messages=min(max_messages, 10), wait_s=wait_s)


@lie("leaving-member-drops-pending", "a member that leaves takes its messages along", "GRP-09")
class LeavingMemberDropsPending(LyingMember):
    async def aclose(self, *, timeout_s: float) -> None:
        self.inner._held.clear()
        await self.inner.aclose(timeout_s=timeout_s)


@lie("wildcard-matches-all", "takes '*' for any number of segments", "DEL-14")
class WildcardMatchesAll(LyingBroker):
    async def declare(self, topology: Topology, **options: Any) -> None:
        groups = tuple(replace(g, topic=g.topic.replace("*", "#")) for g in topology.groups)
        await super().declare(replace(topology, groups=groups), **options)

    async def subscribe(self, source: Source, **options: Any) -> Any:
        topics = tuple(topic.replace("*", "#") for topic in source.topics)
        return await super().subscribe(replace(source, topics=topics), **options)
