"""Priorities for backends without them: one topic per level, higher ones read first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from anymq.errors import PublishRejected
from anymq.message import Message
from anymq.topology import RESERVED_PREFIX, GroupSpec, TopicSpec

__all__ = ["LEVELS", "PriorityRoute", "level_topic", "logical_topic", "with_levels"]

LEVELS: Mapping[int, str] = {2: "high", 0: "low"}
"""Levels that have a topic of their own; normal messages stay on the main one."""


def level_topic(topic: str, priority: int) -> str:
    """The topic that carries a level of a topic."""
    level = LEVELS.get(priority)
    return topic if level is None else f"{RESERVED_PREFIX}{level}.{topic}"


def logical_topic(physical: str) -> str:
    """The topic whose level this is; the name itself if it is none."""
    for level in LEVELS.values():
        prefix = f"{RESERVED_PREFIX}{level}."
        if physical.startswith(prefix):
            return physical[len(prefix) :]
    return physical


def with_levels(
    topics: tuple[TopicSpec, ...], groups: tuple[GroupSpec, ...]
) -> tuple[tuple[TopicSpec, ...], tuple[GroupSpec, ...]]:
    """The levels' topics and groups of all topics that have priorities."""
    leveled = [topic for topic in topics if topic.priorities]
    names = {topic.name for topic in leveled}
    more_topics = [
        replace(topic, name=level_topic(topic.name, level)) for topic in leveled for level in LEVELS
    ]
    more_groups = [
        replace(group, topic=level_topic(group.topic, level))
        for group in groups
        if group.topic in names
        for level in LEVELS
    ]
    return tuple(more_topics), tuple(more_groups)


class PriorityRoute:
    """Leaves priorities to a plugin that handles them; else sends each level to its topic."""

    def __init__(self, handles: frozenset[str], topics: Mapping[str, TopicSpec]) -> None:
        self.is_native = "priority" in handles
        self._topics = topics

    def route(self, message: Message) -> Message:
        """The message, or a copy for its level's topic. Raises PublishRejected("invalid")."""
        if self.is_native or message.priority == 1:
            return message
        topic = self._topics.get(message.topic)
        if topic is None or not topic.priorities:
            raise PublishRejected(
                "invalid",
                f"topic {message.topic!r} has no priorities on this backend, which emulates them:"
                " declare it with app.topic(..., priorities=True)",
            )
        return replace(message, topic=level_topic(message.topic, message.priority))
