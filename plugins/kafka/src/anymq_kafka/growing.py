"""More partitions for a topic that is there already."""

from __future__ import annotations

from collections.abc import Sequence

from anymq.errors import TopologyError
from anymq.topology import TopicSpec
from anymq_kafka.catalog import groups_in
from anymq_kafka.group_admin import GroupAdmin
from anymq_kafka.lag import waiting_for
from anymq_kafka.link import Link

__all__ = ["grow_topics"]


async def grow_topics(link: Link, specs: Sequence[TopicSpec], *, timeout_s: float) -> None:
    """Add the partitions that topics lack, the companions of their groups first.

    Keys move to other partitions by it, so what was sent before must be settled. Raises
    TopologyError while a group has unsettled messages.
    """
    there = await link.clients.directory.describe(
        (link.names.topic(spec.name) for spec in specs), timeout_s=timeout_s
    )
    for spec in specs:
        found = there.get(link.names.topic(spec.name))
        if found is not None and len(found.partitions) < spec.partitions:
            await _grow(link, spec, len(found.partitions), timeout_s)


async def _grow(link: Link, spec: TopicSpec, partitions: int, timeout_s: float) -> None:
    ids = await GroupAdmin(link.clients.admin, timeout_s=timeout_s).ids()
    groups = [group for _, group in groups_in(ids, {spec.name: partitions}, link.names)]
    for group in groups:
        waiting = await waiting_for(link, spec.name, group, partitions, timeout_s=timeout_s)
        if waiting:
            raise TopologyError(
                f"topic {spec.name!r} has {partitions} partitions, not {spec.partitions}, and"
                f" {waiting} message(s) that group {group!r} has not settled: drain it first"
            )
    companions = [link.names.topic(spec.name, group) for group in groups]
    there = await link.clients.directory.describe(companions, timeout_s=timeout_s)
    for name in (*there, link.names.topic(spec.name)):
        await link.clients.topics.grow(name, spec.partitions, timeout_s=timeout_s)
