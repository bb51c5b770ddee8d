"""Declaring topics and groups, and finding what was declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from anymq.errors import TopologyError, UnsupportedError
from anymq.topology import Topology, TopologyMode, is_pattern
from anymq_redis.errors import translate
from anymq_redis.keys import TopicKeys
from anymq_redis.link import Command, Link
from anymq_redis.scripts import script

__all__ = ["REGISTRY", "Declarations"]

REGISTRY = "anymq.topics"
"""Set of all physical topic names; no topic may be named so."""

Physical = Callable[[str], str]


class Declarations:
    """What exists on the server, through one connection."""

    def __init__(self, link: Link, physical: Physical, address: str) -> None:
        self._link = link
        self._physical = physical
        self._address = address

    def keys(self, topic: str) -> TopicKeys:
        """The keys of a topic, by its logical name."""
        return TopicKeys(self._physical(topic))

    async def declare(self, topology: Topology, mode: TopologyMode, *, timeout_s: float) -> None:
        """Make, check or trust. Raises TopologyError, UnsupportedError, BackendUnavailable."""
        for name in [t.name for t in topology.topics] + [g.topic for g in topology.groups]:
            if is_pattern(name):
                raise UnsupportedError(f"redis has no groups over patterns of topics: {name!r}")
        if mode is TopologyMode.MANAGE:
            await self._make(topology, timeout_s)
        elif mode is TopologyMode.VERIFY:
            await self._verify(topology, timeout_s)

    async def partitions(
        self, topics: Sequence[str], group: str | None, *, timeout_s: float
    ) -> list[int]:
        """How many partitions each topic has. Raises TopologyError for what is missing."""
        commands: list[Command] = []
        for topic in topics:
            keys = self.keys(topic)
            commands.append(("HGET", keys.meta, "partitions"))
            commands.append(("SISMEMBER", keys.groups, group or ""))
        replies = await self._run(commands, timeout_s)
        found = []
        for topic, partitions, is_member in zip(topics, replies[::2], replies[1::2], strict=True):
            if partitions is None:
                raise TopologyError(_missing(f"topic {topic!r} does not exist"))
            if group is not None and not is_member:
                raise TopologyError(_missing(f"group {group!r} of topic {topic!r} does not exist"))
            found.append(int(partitions))
        return found

    async def _make(self, topology: Topology, timeout_s: float) -> None:
        groups: dict[str, list[str]] = {group.topic: [] for group in topology.groups}
        for group in topology.groups:
            groups[group.topic].append(group.name)
        specs = {spec.name: spec for spec in topology.topics}
        names = list(specs | groups)
        commands: list[Command] = []
        for name in names:
            keys, spec = self.keys(name), specs.get(name)
            head = (*script("declare", 3), keys.name, keys.meta, keys.groups)
            retention = "" if spec is None else int((spec.retention_s or 0) * 1000)
            partitions = "" if spec is None else spec.partitions
            commands.append((*head, partitions, retention, *groups.get(name, ())))
        registry = self._physical(REGISTRY)
        commands += [("SADD", registry, self.keys(name).name) for name in specs]
        replies = await self._run(commands, timeout_s)
        for name, wrong in zip(names, replies, strict=False):
            if wrong:
                wanted = specs[name].partitions if name in specs else None
                raise TopologyError(_wrong(name, wrong.decode(), wanted))

    async def _verify(self, topology: Topology, timeout_s: float) -> None:
        for spec in topology.topics:
            (found,) = await self.partitions([spec.name], None, timeout_s=timeout_s)
            if found != spec.partitions:
                raise TopologyError(_wrong(spec.name, f"partitions {found}", spec.partitions))
        for group in topology.groups:
            await self.partitions([group.topic], group.name, timeout_s=timeout_s)

    async def _run(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        replies = await self._link.run(commands, timeout_s=timeout_s)
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate(reply, self._address) from reply
        return replies


def _missing(what: str) -> str:
    return f"{what}: run 'anymq topology apply' or set topology = \"manage\""


def _wrong(topic: str, reply: str, wanted: int | None) -> str:
    if reply == "missing":
        return _missing(f"topic {topic!r} does not exist")
    if reply.startswith("partitions "):
        return f"topic {topic!r} has {reply.split()[1]} partition(s), not {wanted} as declared"
    return f"topic {topic!r} cannot be made: {reply}"
