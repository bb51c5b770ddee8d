"""The queues that one subscription consumes: a group's own, or private ones made for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from aiormq.channel import Channel

from anymq.support.ids import new_id
from anymq_rabbitmq.addressing import queue_destination
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.ladder import LADDER_END, bind_destination
from anymq_rabbitmq.link import Link
from anymq_rabbitmq.names import group_queue

__all__ = ["GroupQueues", "PrivateQueues", "Queues"]


class Queues(ABC):
    """What to consume, per logical topic."""

    group: str | None
    """What deliveries tell as their group."""
    topics: Sequence[str]
    """The logical names."""
    private_group: str
    """The part of the queues' names behind the topic."""

    @abstractmethod
    async def prepare(self, channel: Channel) -> Mapping[str, str]:
        """The queues, each with its logical topic; called for every channel anew."""

    @abstractmethod
    async def remove(self) -> None:
        """Delete what ``prepare`` made. Idempotent."""


class GroupQueues(Queues):
    """One declared queue per topic."""

    def __init__(self, topics: Sequence[str], group: str, physical: Callable[[str], str]) -> None:
        self.group = group
        self.topics = topics
        self.private_group = group
        self._queues = {group_queue(physical(topic), group): topic for topic in topics}

    async def prepare(self, channel: Channel) -> Mapping[str, str]:
        return self._queues

    async def remove(self) -> None:
        """Nothing was made."""


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
        timeout_s: float,
    ) -> None:
        self.group = None
        self.private_group = ""
        self.topics = topics
        self._physical = physical
        self._link = link
        self._directory = directory
        self._timeout_s = timeout_s
        self._made: Mapping[str, str] = {}
        self._channel: Channel | None = None
        """For which ``_made`` holds."""

    async def prepare(self, channel: Channel) -> Mapping[str, str]:
        if channel is self._channel:  # after a pause, or at the first receive
            return self._made
        has_ladder = await self._directory.has_exchange(LADDER_END)
        self.private_group = f"anonymous-{new_id()}"
        queues: dict[str, str] = {}
        for topic in self.topics:
            exchange = self._physical(topic)
            queue = group_queue(exchange, self.private_group)
            await channel.queue_declare(queue, exclusive=True)
            await channel.queue_bind(queue, exchange, "#")
            if has_ladder:
                await bind_destination(channel, queue, queue_destination(queue))
            queues[queue] = topic
        self._made, self._channel = queues, channel
        return queues

    async def remove(self) -> None:
        made, self._made = self._made, {}
        if not made or not self._link.is_up:
            return
        channel = await self._link.channel(timeout_s=self._timeout_s)
        for queue in made:
            await channel.queue_delete(queue)
        await channel.close()
