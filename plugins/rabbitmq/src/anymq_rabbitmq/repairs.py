"""Declaring again what a server has lost: a reset node, a deleted queue."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from anymq.errors import AnyMQError
from anymq.topology import Topology, is_pattern, matches
from anymq_rabbitmq.declaring import Declarer

__all__ = ["Repairs"]


class Repairs:
    """Remembers what this Broker declared, and makes it again when it is found missing."""

    def __init__(
        self,
        declarer: Declarer,
        physical: Callable[[str], str],
        *,
        tell: Callable[[str], None],
    ) -> None:
        self._declarer = declarer
        self._physical = physical
        self._tell = tell
        self._topology = Topology()
        self._groups: Counter[str] = Counter()
        self._patterns: list[str] = []
        self._topics: set[str] = set()
        self._working = asyncio.Lock()
        """Whoever finds the same gap meanwhile waits for the repair instead of repeating it."""

    def note(self, topology: Topology) -> None:
        """Remember what was declared; of two declarations the later one."""
        before = self._topology
        topics = {topic.name: topic for topic in (*before.topics, *topology.topics)}
        groups = {(g.topic, g.name): g for g in (*before.groups, *topology.groups)}
        self._topology = Topology(tuple(topics.values()), tuple(groups.values()))
        self._topics = {self._physical(name) for name in topics}
        self._groups = Counter(self._physical(topic) for topic, _ in groups)
        self._patterns = [self._physical(topic) for topic, _ in groups if is_pattern(topic)]

    def forget_group(self, topic: str, group: str) -> None:
        """Do not make a group again: it was removed on purpose."""
        before = self._topology
        left = tuple(g for g in before.groups if (g.topic, g.name) != (topic, group))
        self._topology = Topology(before.topics)
        self.note(Topology(groups=left))

    def groups_of(self, topic: str) -> int | None:
        """How many groups of a topic (by physical name) were declared; None: not that topic."""
        if topic in self._topics or topic in self._groups:
            return self._groups[topic] + sum(matches(p, topic) for p in self._patterns)
        return None

    async def run(self) -> bool:
        """Declare everything again. False if nothing was declared here, or it failed."""
        if not self._topology.topics and not self._topology.groups:
            return False
        if self._working.locked():
            async with self._working:
                return True
        async with self._working:
            try:
                await self._declarer.make(self._topology, is_repair=True)
            except AnyMQError:
                return False
        self._tell("topics or groups were missing and were declared again; what they held is lost")
        return True

    async def run_within(self, deadline: float) -> None:
        """As ``run``, but no longer than until ``deadline`` by the loop's clock."""
        try:
            async with asyncio.timeout_at(deadline):
                await self.run()
        except TimeoutError:
            pass  # whoever needs it tries again
