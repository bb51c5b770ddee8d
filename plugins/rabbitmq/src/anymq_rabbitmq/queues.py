"""The queues that one subscription consumes: a group's own, or private ones made for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiormq.channel import Channel

from anymq.errors import TopologyError
from anymq.support.ids import new_id
from anymq.topology import is_pattern, matches
from anymq_rabbitmq.addressing import queue_destination
from anymq_rabbitmq.catalog import Catalog
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.groups import GroupFacts
from anymq_rabbitmq.ladder import LADDER_END, bind_destination
from anymq_rabbitmq.link import Link

__all__ = ["GroupQueues", "Inlet", "PrivateQueues", "Queues"]


@dataclass(frozen=True, slots=True)
class Inlet:
    """One queue to consume."""

    queue: str
    topic: str | None
    """The logical topic; None where each message has its own, which it tells."""
    group: str
    """What a retry says of where it belongs."""
    home: str
    """The queue that a retry goes to."""
    alone: str = ""
    """The queue of what is set aside, if there is one; one message at a time leaves it."""


class Queues(ABC):
    """What to consume."""

    group: str | None
    """What deliveries tell as their group."""
    topics: Sequence[str]
    """The logical names, or patterns."""

    @abstractmethod
    async def prepare(self, channel: Channel) -> Sequence[Inlet]:
        """The queues; called for every channel anew."""

    @abstractmethod
    async def remove(self) -> None:
        """Delete what ``prepare`` made. Idempotent."""


class GroupQueues(Queues):
    """One declared queue per topic, and one for what is set aside."""

    def __init__(self, facts: Sequence[tuple[str, GroupFacts, str]], group: str) -> None:
        """``facts``: each topic or pattern with its group and the queue of what is set aside."""
        self.group = group
        self.topics = [topic for topic, _, _ in facts]
        self._inlets = [inlet for part in facts for inlet in _inlets(*part)]

    async def prepare(self, channel: Channel) -> Sequence[Inlet]:
        return self._inlets

    async def remove(self) -> None:
        """Nothing was made."""


def _inlets(topic: str, facts: GroupFacts, alone: str) -> list[Inlet]:
    told = None if is_pattern(topic) else topic
    return [
        Inlet(queue, told, facts.name, facts.base, alone) for queue in (facts.base, alone) if queue
    ]


class PrivateQueues(Queues):
    """Exclusive queues, which end with the connection, or by ``remove``.

    Not auto-delete: that would end them when the subscription pauses. Their names change with each
    channel, because after a half-open connection the server holds on to the old ones for a while.
    """

    def __init__(
        self,
        topics: Sequence[str],
        physical: Callable[[str], str],
        *,
        link: Link,
        directory: Directory,
        catalog: Catalog,
        timeout_s: float,
    ) -> None:
        self.group = None
        self.topics = topics
        self._physical = physical
        self._link = link
        self._directory = directory
        self._catalog = catalog
        self._timeout_s = timeout_s
        self._made: Sequence[Inlet] = ()
        self._channel: Channel | None = None
        """For which ``_made`` holds."""

    async def prepare(self, channel: Channel) -> Sequence[Inlet]:
        if channel is self._channel:  # after a pause, or at the first receive
            return self._made
        has_ladder = await self._directory.has_exchange(LADDER_END)
        name = f"anonymous-{new_id()}"
        made: list[Inlet] = []
        for topic in self.topics:
            queue = GroupFacts(self._physical(topic), name).base
            await channel.queue_declare(queue, exclusive=True)
            for exchange in await self._exchanges(topic):
                await channel.queue_bind(queue, exchange, "#")
            if has_ladder:
                await bind_destination(channel, queue, queue_destination(queue))
            made.append(Inlet(queue, None if is_pattern(topic) else topic, name, queue))
        self._made, self._channel = made, channel
        return made

    async def remove(self) -> None:
        made, self._made = self._made, ()
        if not made or not self._link.is_up:
            return
        channel = await self._link.channel(timeout_s=self._timeout_s)
        for inlet in made:
            await channel.queue_delete(inlet.queue)
        await channel.close()

    async def _exchanges(self, topic: str) -> list[str]:
        """One topic's, or those of all that a pattern means at this moment."""
        name = self._physical(topic)
        if not is_pattern(topic):
            return [name]
        try:
            entries = await self._catalog.entries()
        except TopologyError:
            return []  # nothing was ever declared
        return sorted({e.topic for e in entries if e.group is None and matches(name, e.topic)})
