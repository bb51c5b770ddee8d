"""The names of everything a topic, a group or a stream has on the server.

The main stream is named exactly as the topic. All else carries ``{topic}``, so that it is in the
same hash slot. A topic's name has neither braces nor colons, so nothing here can collide with one.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANONYMOUS_PREFIX", "RETURNED_TO", "GroupKeys", "LogKeys", "TopicKeys"]

ANONYMOUS_PREFIX = "anymq:"
"""Begins the name of a private group; no declared group's name may hold a colon."""

RETURNED_TO = "anymq:returned"
"""The consumer that holds what was given back in its place: nobody, until the owner claims it."""


@dataclass(frozen=True, slots=True)
class TopicKeys:
    """Keys of one topic, by its physical name."""

    name: str

    @property
    def meta(self) -> str:
        """Hash: partitions, retention in milliseconds."""
        return f"{{{self.name}}}:meta"

    @property
    def groups(self) -> str:
        """Set: the declared groups."""
        return f"{{{self.name}}}:groups"

    @property
    def anonymous(self) -> str:
        """Sorted set: private groups by the moment at which they are given up (ms)."""
        return f"{{{self.name}}}:anonymous"

    @property
    def delayed(self) -> str:
        """Sorted set: messages for all groups, by due moment (ms)."""
        return f"{{{self.name}}}:delayed"

    def streams(self, partitions: int) -> list[str]:
        """The main streams: one named as the topic, or one for each of several partitions."""
        if partitions == 1:
            return [self.name]
        return [f"{{{self.name}}}#{i}" for i in range(partitions)]

    def group(self, group: str) -> GroupKeys:
        """The companions of one group."""
        return GroupKeys(self.name, group)


@dataclass(frozen=True, slots=True)
class GroupKeys:
    """Keys of one group of one topic."""

    topic: str
    name: str

    def retry(self, partition: int = 0) -> str:
        """Stream: what concerns this group alone, of one partition."""
        return f"{{{self.topic}}}.{self.name}.retry" + (f"#{partition}" if partition else "")

    def retries(self, partitions: int) -> list[str]:
        """The private streams of all partitions."""
        return [self.retry(i) for i in range(partitions)]

    @property
    def dead(self) -> str:
        """Stream: its dead letters."""
        return f"{{{self.topic}}}.{self.name}.dead"

    @property
    def delayed(self) -> str:
        """Sorted set: its delayed messages, by due moment (ms)."""
        return f"{{{self.topic}}}.{self.name}.delayed"

    @property
    def members(self) -> str:
        """Hash with expiry: until when (ms) each member that keeps keys in order is one, and since
        when."""
        return f"{{{self.topic}}}.{self.name}.members"

    @property
    def owners(self) -> str:
        """Hash with expiry: the member that owns each partition."""
        return f"{{{self.topic}}}.{self.name}.owners"

    @property
    def admin(self) -> str:
        """String with expiry: the operator who holds its dead letters."""
        return f"{{{self.topic}}}.{self.name}.admin"


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Keys of one Stream, by its physical name. Never those of a topic."""

    name: str

    @property
    def meta(self) -> str:
        """Hash: partitions, max_records, max_age_ms."""
        return f"{{{self.name}}}:log:meta"

    @property
    def commits(self) -> str:
        """Hash: ``group#partition`` to the id that was committed."""
        return f"{{{self.name}}}:log:commits"

    def streams(self, partitions: int) -> list[str]:
        """One stream for each partition."""
        return [f"{{{self.name}}}:log"] + [f"{{{self.name}}}:log#{i}" for i in range(1, partitions)]
