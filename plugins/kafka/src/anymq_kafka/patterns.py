"""Groups of topic patterns: remembered on the cluster, and spelled out as a group per topic."""

from __future__ import annotations

import re

from anymq.topology import GROUP_PATTERN, GroupSpec, Topology, is_pattern, matches
from anymq_kafka.catalog import topics_in
from anymq_kafka.declare import TopicPlan
from anymq_kafka.group_admin import GroupAdmin
from anymq_kafka.link import Link

__all__ = ["Patterns"]

_GROUP = re.compile(GROUP_PATTERN)
_MARK = "anymq.patterns"
"""A topic without records: groups of patterns have a commit on it, which tells that they exist."""


class Patterns:
    """What was declared for patterns. Every call is bounded by its ``timeout_s``."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._mark = link.names.topic(_MARK)

    async def spell_out(self, topology: Topology, *, timeout_s: float) -> list[GroupSpec]:
        """The groups to declare: a group of each topic that a pattern means, now or by then.

        Topics that are declared here join the groups of patterns that were declared before.
        """
        plain = [group for group in topology.groups if not is_pattern(group.topic)]
        wild = [group for group in topology.groups if is_pattern(group.topic)]
        here = {spec.name for spec in topology.topics}
        found = {(group.topic, group.name): group for group in plain}
        there = set(await self.topics(timeout_s=timeout_s)) if wild else set()
        for group in wild:
            self._add(found, group.topic, group.name, here | there)
        for pattern, name in await self._remembered(timeout_s):
            self._add(found, pattern, name, here)
        return list(found.values())

    async def remember(self, topology: Topology, *, timeout_s: float) -> None:
        """Note the patterns that are declared, before the topics that they mean are looked up."""
        wild = [group for group in topology.groups if is_pattern(group.topic)]
        if not wild:
            return
        await self._link.clients.topics.make([TopicPlan(self._mark)], timeout_s=timeout_s)
        for group in wild:
            await self._link.clients.offsets.commit(
                self._link.names.group(group.topic, group.name),
                {(self._mark, 0): 0},
                timeout_s=timeout_s,
            )

    async def is_remembered(self, pattern: str, group: str, *, timeout_s: float) -> bool:
        """Whether a pattern's group was declared."""
        group_id = self._link.names.group(pattern, group)
        offsets = self._link.clients.offsets
        return bool(await offsets.committed(group_id, [(self._mark, 0)], timeout_s=timeout_s))

    async def topics(self, *, timeout_s: float) -> dict[str, int]:
        """Every logical topic there is, and its partitions."""
        there = await self._link.clients.directory.everything(timeout_s=timeout_s)
        return topics_in(there, self._link.names)

    async def _remembered(self, timeout_s: float) -> list[tuple[str, str]]:
        admin = GroupAdmin(self._link.clients.admin, timeout_s=timeout_s)
        names = [self._link.names.logical(group_id) or "" for group_id in await admin.ids()]
        found = [name.rpartition(".") for name in names if is_pattern(name)]
        return [(pattern, group) for pattern, _, group in found if _GROUP.fullmatch(group)]

    @staticmethod
    def _add(
        found: dict[tuple[str, str], GroupSpec], pattern: str, group: str, topics: set[str]
    ) -> None:
        for topic in topics:
            if matches(pattern, topic):
                found.setdefault((topic, group), GroupSpec(topic, group))
