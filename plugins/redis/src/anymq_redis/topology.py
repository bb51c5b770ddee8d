"""Declaring topics and groups, and finding what was declared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from anymq.errors import TopologyError
from anymq.topology import GroupSpec, TopicSpec, Topology, TopologyMode, is_pattern, matches
from anymq_redis.errors import translate
from anymq_redis.keys import TopicKeys
from anymq_redis.link import Command, Link
from anymq_redis.scripts import script

__all__ = ["REGISTRY", "Declarations"]

REGISTRY = "anymq.topics"
"""Set of all physical topic names; no topic may be named so."""

PATTERNS = "anymq.patterns"
"""Set of the groups of patterns: group, space, pattern."""

Physical = Callable[[str], str]


class Declarations:
    """What exists on the server, through one connection. Remembers what this process declared."""

    def __init__(self, link: Link, physical: Physical, address: str) -> None:
        self._link = link
        self._physical = physical
        self._address = address
        self._topics: dict[str, TopicSpec] = {}
        self._groups: dict[tuple[str, str], GroupSpec] = {}

    def keys(self, topic: str) -> TopicKeys:
        """The keys of a topic, by its logical name."""
        return TopicKeys(self._physical(topic))

    def has_made(self, topic: str, group: str | None) -> bool:
        """Whether this process declared the topic (and the group, where one is named)."""
        if group is None:
            return topic in self._topics
        return any(name == group and matches(at, topic) for at, name in self._groups)

    async def declare(self, topology: Topology, mode: TopologyMode, *, timeout_s: float) -> None:
        """Make, check or trust. Raises TopologyError, BackendUnavailable."""
        if mode is TopologyMode.MANAGE:
            await self._make(topology, timeout_s)
            self._topics.update((spec.name, spec) for spec in topology.topics)
            self._groups.update(((group.topic, group.name), group) for group in topology.groups)
        elif mode is TopologyMode.VERIFY:
            await self._verify(topology, timeout_s)

    def forget(self, topic: str, group: str) -> None:
        """The group was removed on purpose."""
        self._groups.pop((topic, group), None)

    async def renew(self, *, timeout_s: float) -> None:
        """Make what this process declared and the server has lost. A group that was lost begins
        with what is there. Raises TopologyError, BackendUnavailable.
        """
        topology = Topology(tuple(self._topics.values()), tuple(self._groups.values()))
        await self._make(topology, timeout_s, is_again=True)

    async def partitions(
        self, topics: Sequence[str], group: str | None, *, timeout_s: float
    ) -> list[int]:
        """How many partitions each topic has. Raises TopologyError for what is missing."""
        commands: list[Command] = []
        for topic in topics:
            keys = self.keys(topic)
            commands.append(("HGET", keys.meta, "partitions"))
            commands.append(("SISMEMBER", keys.groups, group or ""))
        replies = await self.run(commands, timeout_s=timeout_s)
        found = []
        for topic, partitions, is_member in zip(topics, replies[::2], replies[1::2], strict=True):
            if partitions is None:
                raise TopologyError(_missing(f"topic {topic!r} does not exist"))
            if group is not None and not is_member:
                raise TopologyError(_missing(f"group {group!r} of topic {topic!r} does not exist"))
            found.append(int(partitions))
        return found

    async def names(self, *, timeout_s: float) -> list[str]:
        """The logical names of all topics of this namespace, sorted."""
        (members,) = await self.run([self._ask_names()], timeout_s=timeout_s)
        return self._logical(members)

    async def check_pattern(self, pattern: str, group: str, *, timeout_s: float) -> None:
        """Raises TopologyError where the group of the pattern was not declared."""
        command = ("SISMEMBER", self._physical(PATTERNS), f"{group} {pattern}")
        (is_there,) = await self.run([command], timeout_s=timeout_s)
        if not is_there:
            raise TopologyError(_missing(f"group {group!r} of pattern {pattern!r} does not exist"))

    async def run(self, commands: Sequence[Command], *, timeout_s: float) -> list[Any]:
        """Carry out commands; raise what any reply says, translated."""
        replies = await self._link.run(commands, timeout_s=timeout_s)
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate(reply, self._address) from reply
        return replies

    async def _make(self, topology: Topology, timeout_s: float, *, is_again: bool = False) -> None:
        wild = {(g.topic, g.name) for g in topology.groups if is_pattern(g.topic)}
        own = {(g.topic, g.name) for g in topology.groups} - wild
        specs = {spec.name: spec for spec in topology.topics}
        patterns = self._physical(PATTERNS)
        commands: list[Command] = [("SADD", patterns, f"{name} {at}") for at, name in wild]
        commands += [("SMEMBERS", patterns), self._ask_names()]
        *_, known, names = await self.run(commands, timeout_s=timeout_s)
        matching = {t for t in self._logical(names) if any(matches(at, t) for at, _ in wild)}
        topics = dict.fromkeys([*specs, *(topic for topic, _ in own), *matching])
        while True:
            pairs = own | _pairs(known)
            commands = [self._declare(t, specs.get(t), pairs, is_again=is_again) for t in topics]
            registered = [self.keys(name).name for name in specs]
            if registered:
                commands.append(("SADD", self._physical(REGISTRY), *registered))
            *replies, found = await self.run(
                [*commands, ("SMEMBERS", patterns)], timeout_s=timeout_s
            )
            for topic, wrong in zip(topics, replies, strict=False):
                if wrong and not (wrong == b"missing" and topic in matching):
                    raise TopologyError(_wrong(topic, wrong.decode(), specs.get(topic)))
            # Who declares a pattern meanwhile sees these topics, or is seen here.
            if {*found} <= {*known}:
                return
            known = found

    def _declare(
        self, topic: str, spec: TopicSpec | None, groups: set[tuple[str, str]], *, is_again: bool
    ) -> Command:
        keys = self.keys(topic)
        partitions = "" if spec is None else spec.partitions
        retention_ms = "" if spec is None else int((spec.retention_s or 0) * 1000)
        names = sorted({name for at, name in groups if matches(at, topic)})
        head = (*script("declare", 3), keys.name, keys.meta, keys.groups)
        return (*head, partitions, retention_ms, "1" if is_again else "", *names)

    async def _verify(self, topology: Topology, timeout_s: float) -> None:
        for spec in topology.topics:
            (found,) = await self.partitions([spec.name], None, timeout_s=timeout_s)
            if found != spec.partitions:
                raise TopologyError(_wrong(spec.name, f"partitions {found}", spec))
        for group in topology.groups:
            if is_pattern(group.topic):
                await self.check_pattern(group.topic, group.name, timeout_s=timeout_s)
            else:
                await self.partitions([group.topic], group.name, timeout_s=timeout_s)

    def _ask_names(self) -> Command:
        return ("SMEMBERS", self._physical(REGISTRY))

    def _logical(self, members: Iterable[bytes]) -> list[str]:
        prefix = self._physical("")
        return sorted(member.decode().removeprefix(prefix) for member in members)


def _missing(what: str) -> str:
    return f"{what}: run 'anymq topology apply' or set topology = \"manage\""


def _pairs(members: Iterable[bytes]) -> set[tuple[str, str]]:
    """Pattern and group of each."""
    split = (member.decode().partition(" ") for member in members)
    return {(pattern, group) for group, _, pattern in split}


def _wrong(topic: str, reply: str, spec: TopicSpec | None) -> str:
    if reply == "missing":
        return _missing(f"topic {topic!r} does not exist")
    if reply.startswith("partitions ") and spec is not None:
        wanted = spec.partitions
        return f"topic {topic!r} has {reply.split()[1]} partition(s), not {wanted} as declared"
    return f"topic {topic!r} cannot be made: {reply}"
