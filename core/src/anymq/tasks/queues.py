"""Queues of jobs as topics: their names, and what must exist on the backend for them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from anymq.errors import ConfigError
from anymq.topology import RESERVED_PREFIX, GroupSpec, TopicSpec, Topology

__all__ = ["CONTROL_TOPIC", "DEFAULT_QUEUE", "GROUP", "check_queue", "queue_topic", "task_topology"]

DEFAULT_QUEUE = "default"
GROUP = "workers"
"""Every worker is a member of this group of its queues' topics."""
CONTROL_TOPIC = f"{RESERVED_PREFIX}tasks-control"
"""Where workers hear of revocations."""
_PATTERN = r"[a-z0-9][a-z0-9_-]{0,39}"
_QUEUE = re.compile(_PATTERN)


def check_queue(name: str) -> str:
    """Return the name, or raise ConfigError that says what a queue's name looks like."""
    if not _QUEUE.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no queue name: it must match {_PATTERN}"
            " (no dot, lower case letters, digits, '_' and '-', at most 40)"
        )
    return name


def queue_topic(queue: str) -> str:
    """The topic that carries a queue's jobs."""
    return f"{RESERVED_PREFIX}tasks.{queue}"


def task_topology(queues: Iterable[str], partitions: int) -> Topology:
    """Topics and groups of some queues, and the one for orders to workers."""
    names = sorted(queue_topic(queue) for queue in queues)
    topics = [TopicSpec(name, partitions, priorities=True) for name in names]
    groups = [GroupSpec(name, GROUP) for name in names]
    return Topology((*topics, TopicSpec(CONTROL_TOPIC)), tuple(groups))
