"""What must exist on the backend: topics, groups, and the grammar of their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from anymq.capabilities import Durability
from anymq.errors import ConfigError

__all__ = [
    "GROUP_PATTERN",
    "RESERVED_PREFIX",
    "TOPIC_PATTERN",
    "GroupSpec",
    "Order",
    "Source",
    "TopicSpec",
    "Topology",
    "TopologyMode",
    "check_group",
    "check_pattern",
    "check_topic",
    "confusable",
    "is_pattern",
    "matches",
]

TOPIC_PATTERN = r"[a-z0-9][a-z0-9._-]{0,99}"
GROUP_PATTERN = r"[a-z0-9][a-z0-9_-]{0,59}"
RESERVED_PREFIX = "anymq."
_TOPIC = re.compile(TOPIC_PATTERN)
_GROUP = re.compile(GROUP_PATTERN)
_PATTERN = re.compile(r"[a-z0-9*#][a-z0-9._*#-]{0,99}")
_RESERVED_GROUPS = ("retry", "dead")

Order = Literal["none", "key"]


class TopologyMode(StrEnum):
    """What ``declare`` may do: create what is missing, only check, or trust."""

    MANAGE = "manage"
    VERIFY = "verify"
    ASSUME = "assume"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One declared topic."""

    name: str
    partitions: int = 1
    durability: Durability | None = None
    """The least that confirmed messages must survive; None: whatever the backend gives."""
    retention_s: float | None = None
    """How long messages that no group needs are kept; None: the backend's default."""
    priorities: bool = False
    """Whether messages of other than normal priority are published, for emulating backends."""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """One declared group of a topic; it misses nothing from its declaration on."""

    topic: str
    name: str
    order: Order = "none"


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything an application declares, in one piece."""

    topics: tuple[TopicSpec, ...] = ()
    groups: tuple[GroupSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """What one subscription reads: the main and retry lanes of a group on some topics.

    ``group`` None is anonymous: private, from now on, gone on close. ``topics`` may hold patterns
    (``*`` one segment, ``#`` any number) where ``wildcard`` is in ``handles``.
    """

    topics: tuple[str, ...]
    group: str | None = None
    order: Order = "none"


def check_topic(name: str) -> str:
    """Return the name, or raise ConfigError that says what a topic's name looks like."""
    if not _TOPIC.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no topic name: it must match {TOPIC_PATTERN}"
            " (lower case letters, digits, '.', '_' and '-', at most 100)"
        )
    if name.startswith(RESERVED_PREFIX):
        raise ConfigError(f"{name!r} is no topic name: the prefix {RESERVED_PREFIX!r} is reserved")
    return name


def check_pattern(pattern: str) -> str:
    """Return a topic name or wildcard pattern, or raise ConfigError."""
    if not is_pattern(pattern):
        return check_topic(pattern)
    segments = pattern.split(".")
    if not _PATTERN.fullmatch(pattern) or any(len(s) > 1 and {"*", "#"} & set(s) for s in segments):
        raise ConfigError(
            f"{pattern!r} is no topic pattern: use '*' for one segment and '#' for any number,"
            " as in 'news.*' or 'news.#'"
        )
    return pattern


def check_group(name: str) -> str:
    """Return the name, or raise ConfigError that says what a group's name looks like."""
    if not _GROUP.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no group name: it must match {GROUP_PATTERN}"
            " (no dot, lower case letters, digits, '_' and '-', at most 60)"
        )
    if name in _RESERVED_GROUPS:
        raise ConfigError(
            f"{name!r} is no group name: it is reserved for the companions of a group"
        )
    return name


def is_pattern(topic: str) -> bool:
    """Whether a topic is a pattern rather than a name."""
    return "*" in topic or "#" in topic


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic's name is one that the pattern (or plain name) means."""
    if pattern == topic:
        return True
    return _match_segments(pattern.split("."), topic.split("."))


def _match_segments(pattern: list[str], segments: list[str]) -> bool:
    # How many segments the pattern so far may have covered: no backtracking, whatever the pattern.
    covered = {0}
    for part in pattern:
        if not covered:
            return False
        if part == "#":
            covered = set(range(min(covered), len(segments) + 1))
        else:
            covered = {i + 1 for i in covered if i < len(segments) and part in ("*", segments[i])}
    return len(segments) in covered


def confusable(names: Iterable[str]) -> tuple[str, str] | None:
    """Two topics that differ only in '.' and '_' (Kafka's metrics confuse them), if there are."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.replace(".", "_"), name)
        if other != name:
            return other, name
    return None
