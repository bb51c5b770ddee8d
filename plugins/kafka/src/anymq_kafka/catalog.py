"""Which of a cluster's topics and groups are ours, told by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from anymq.topology import GROUP_PATTERN, RESERVED_PREFIX
from anymq_kafka.names import Names

__all__ = ["groups_in", "topics_in"]

_QUEUES = f"{RESERVED_PREFIX}tasks."
_GROUP = re.compile(GROUP_PATTERN)
_COMPANIONS = (".retry", ".dead")


def topics_in(topics: Mapping[str, int], names: Names) -> dict[str, int]:
    """Logical topics and their partitions; companions, streams and Kafka's own are left out."""
    logical = {
        name: partitions
        for physical, partitions in topics.items()
        if (name := names.logical(physical)) is not None and _is_shown(name)
    }
    return {
        name: partitions
        for name, partitions in sorted(logical.items())
        if not _is_companion(name, logical)
    }


def groups_in(
    group_ids: Iterable[str], topics: Mapping[str, int], names: Names
) -> list[tuple[str, str]]:
    """Topic and group of every group id that is one of ours, in order."""
    found: list[tuple[str, str]] = []
    for group_id in group_ids:
        logical = names.logical(group_id)
        topic, _, group = (logical or "").rpartition(".")
        if topic in topics and _GROUP.fullmatch(group):
            found.append((topic, group))
    return sorted(found)


def _is_shown(name: str) -> bool:
    """Core's own topics are not, but for the queues of jobs, which an operator looks after."""
    return name.startswith(_QUEUES) or not name.startswith(RESERVED_PREFIX)


def _is_companion(name: str, topics: Mapping[str, int]) -> bool:
    for suffix in _COMPANIONS:
        if name.endswith(suffix):
            topic, _, group = name.removesuffix(suffix).rpartition(".")
            return topic in topics and _GROUP.fullmatch(group) is not None
    return False
