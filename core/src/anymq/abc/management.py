"""Management: what the command line and the desk show of a Broker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal

from anymq.message import Message

__all__ = ["DeadLetterEntry", "GroupState", "Management", "Resolution", "TopicState"]

Resolution = Literal["replayed", "purged"]


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic as the backend has it."""

    name: str
    partitions: int
    messages: int | None
    """Stored messages; None where the backend does not tell."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """One group of one topic. Counts are None where the backend does not tell."""

    topic: str
    name: str
    ready: int | None
    in_flight: int | None
    delayed: int | None
    dead: int | None
    members: int | None
    idle_s: float | None
    """Seconds since a member last was there; 0 while one is."""


@dataclass(frozen=True, slots=True)
class DeadLetterEntry:
    """One dead letter: its id, and the message with its original bytes and the facts in meta."""

    id: str
    topic: str
    group: str
    message: Message


class Management(ABC):
    """Look at and tidy up a backend. Every call is bounded by the options' request timeout."""

    @abstractmethod
    async def topics(self) -> Sequence[TopicState]:
        """Every topic, companions left out, by name."""

    @abstractmethod
    async def groups(self, topic: str | None = None) -> Sequence[GroupState]:
        """Every named group (of one topic), by topic and name. Raises TopologyError if unknown."""

    @abstractmethod
    async def dead_letters(
        self, topic: str, group: str, *, limit: int, after: str | None = None
    ) -> Sequence[DeadLetterEntry]:
        """Up to ``limit`` dead letters, oldest first, those after id ``after``. Removes nothing."""

    @abstractmethod
    async def resolve(
        self, topic: str, group: str, ids: Sequence[str], resolution: Resolution
    ) -> int:
        """Remove dead letters by id, after their replay was confirmed or to purge them.

        Idempotent: ids that are gone are passed over. Returns how many were there.
        Raises Busy while another operator holds them (``administer``).
        """

    @abstractmethod
    def administer(
        self, topic: str, group: str, *, lease_s: float
    ) -> AbstractAsyncContextManager[None]:
        """Hold one group's dead letters alone, at most ``lease_s`` seconds if never left.

        Entering raises Busy while another operator holds them.
        """

    @abstractmethod
    async def purge(self, topic: str, group: str) -> int:
        """Drop what waits for one group (not in flight, not dead). Returns how many."""

    @abstractmethod
    async def remove_group(self, topic: str, group: str) -> None:
        """Delete a group with all that waits for it. Raises Busy while it has members."""
