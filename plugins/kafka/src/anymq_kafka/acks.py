"""Deliveries that are to be settled together, sorted by who has to commit them."""

from __future__ import annotations

from dataclasses import dataclass, field

from anymq.message import Delivery
from anymq_kafka.member import Member
from anymq_kafka.partition import OwnedPartition
from anymq_kafka.settling import SettleCall

__all__ = ["Acks"]


@dataclass(slots=True)
class Acks:
    """Built on the loop, by one call of settle."""

    places: dict[OwnedPartition, list[int]] = field(default_factory=dict)
    """Where the deliveries of a partition stand in the call."""
    _offsets: dict[Member, dict[OwnedPartition, list[int]]] = field(default_factory=dict)
    _released: dict[Member, set[OwnedPartition]] = field(default_factory=dict)

    def add(self, place: int, delivery: Delivery) -> None:
        """Add one that is in hand."""
        member, partition, offset = delivery.token
        places = self.places.get(partition)
        if places is None:
            places = self.places[partition] = []
            self._offsets.setdefault(member, {})[partition] = []
        places.append(place)
        self._offsets[member][partition].append(offset)

    def add_release(self, place: int, delivery: Delivery) -> None:
        """Add one that is given back and whose partition is to commit what is out still."""
        member, partition, _ = delivery.token
        self._released.setdefault(member, set()).add(partition)
        self.places.setdefault(partition, []).append(place)
        self._offsets.setdefault(member, {}).setdefault(partition, [])

    def begin(self) -> list[tuple[SettleCall, list[OwnedPartition]]]:
        """Have every member settle its part; its call, and the partitions that this is about."""
        return [
            (member.settle(offsets, self._released.get(member, ())), list(offsets))
            for member, offsets in self._offsets.items()
        ]
