"""What a group is on the server, and which group an address means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from anymq.message import Message
from anymq.topology import Order, Topology, is_pattern, matches
from anymq_rabbitmq.catalog import Catalog, CatalogEntry

__all__ = ["ALONE", "GroupFacts", "Groups"]

ALONE = "anymq-alone"
"""Core's mark on a message that may be what kills processes: it is started alone."""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """One group by its physical names. ``owner`` is its topic, or the pattern it reads."""

    owner: str
    name: str
    order: Order = "none"
    partitions: int = 1

    @property
    def base(self) -> str:
        """What all its names begin with."""
        return f"{self.owner.replace('*', '@')}.{self.name}"  # AMQP's names have no asterisk

    @property
    def queues(self) -> list[str]:
        """Where its messages wait, in the order of the partitions."""
        if self.order == "none":
            return [self.base]
        return [f"{self.base}#{number}" for number in range(self.partitions)]

    @property
    def dead(self) -> str:
        """The queue of its dead letters."""
        return f"{self.base}.dead"

    @property
    def alone(self) -> str:
        """The queue of what was set aside, apart from the others: one at a time leaves it."""
        return f"{self.base}.retry"

    def queue_for(self, message: Message) -> str:
        """The queue that a message addressed to this group belongs in."""
        if message.lane == "dead":
            return self.dead
        queues = self.queues
        return queues[message.partition] if message.partition < len(queues) else queues[0]

    def reads(self, topic: str) -> bool:
        """Whether it gets what is published to a topic."""
        return matches(self.owner, topic)


class Groups:
    """The groups that are known here: declared by this process, or found in the catalog."""

    def __init__(self, catalog: Catalog, physical: Callable[[str], str]) -> None:
        self._catalog = catalog
        self._physical = physical
        self._known: dict[tuple[str, str], GroupFacts] = {}
        self._partitions: dict[str, int] = {}

    def of(self, topology: Topology) -> list[GroupFacts]:
        """The groups of a declaration."""
        counts = {self._physical(topic.name): topic.partitions for topic in topology.topics}
        found: list[GroupFacts] = []
        for spec in topology.groups:
            owner = self._physical(spec.topic)
            count = counts.get(owner, self._partitions.get(owner, 1))
            is_split = spec.order == "key" and not is_pattern(spec.topic)
            found.append(GroupFacts(owner, spec.name, spec.order, count if is_split else 1))
        return found

    def learn(self, entries: Iterable[CatalogEntry]) -> None:
        """Take over what the catalog says."""
        for entry in entries:
            if entry.group is None:
                self._partitions[entry.topic] = entry.partitions
            else:
                facts = GroupFacts(entry.topic, entry.group, entry.order, entry.partitions)
                self._known[entry.topic, entry.group] = facts

    def note(self, groups: Iterable[GroupFacts]) -> None:
        """Remember what was declared here."""
        for facts in groups:
            self._known[facts.owner, facts.name] = facts

    def forget(self, topic: str, group: str) -> None:
        """It was removed."""
        self._known.pop((topic, group), None)

    def known(self, topic: str, group: str) -> GroupFacts | None:
        """The group of a topic (or of a pattern that means it), as far as it is known here."""
        found = self._known.get((topic, group))
        if found is not None or is_pattern(topic):
            return found
        return next((f for f in self._known.values() if f.name == group and f.reads(topic)), None)

    async def find(self, topic: str, group: str) -> GroupFacts | None:
        """As ``known``, looking into the catalog for what is not. Raises BackendUnavailable."""
        found = self.known(topic, group)
        if found is None:
            self.learn(await self._catalog.entries())
            found = self.known(topic, group)
        return found
