"""What the members of a subscription brought, and what of it is out in the application's hands."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from anymq.message import Delivery
from anymq_kafka.member import Arrival, InHand, Member
from anymq_kafka.partition import OwnedPartition
from anymq_kafka.wire import message_of, position_of

__all__ = ["Tray"]


class Tray:
    """Lives on the loop. Deliveries are built when they are handed out, not before."""

    def __init__(self, group: str | None, *, prefetch: int) -> None:
        self._group = group
        self._prefetch = prefetch
        self._waiting: deque[tuple[Member, Arrival]] = deque()
        self._out = 0

    def put(self, member: Member, arrivals: Sequence[Arrival]) -> None:
        """Keep what came, in order."""
        self._waiting.extend([(member, arrival) for arrival in arrivals])

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def hand_out(self, max_messages: int) -> list[Delivery]:
        """Deliveries of what waits, no more than the prefetch allows."""
        count = min(max_messages, self._prefetch - self._out, len(self._waiting))
        if count <= 0:
            return []
        return [self._deliver(*self._waiting.popleft()) for _ in range(count)]

    def release(self, member: Member, delivery: Delivery) -> None:
        """Hand a delivery out again, next."""
        arrival = (delivery.token[1], delivery.native, delivery.delivery_count or 1)
        self._waiting.appendleft((member, arrival))

    def take_back(self, delivery: Delivery) -> Member | None:
        """The member that a delivery in hand came from; None for one that is not in hand."""
        member: Member
        partition: OwnedPartition
        member, partition, offset = delivery.token
        if partition.in_hand.pop(offset, None) is None:
            return None
        self._out -= 1
        return member

    def drop(self, partitions: Sequence[OwnedPartition]) -> InHand:
        """Forget what waits of these; what of them is in hand."""
        gone = set(map(id, partitions))
        self._waiting = deque(one for one in self._waiting if id(one[1][0]) not in gone)
        return [(partition, offset) for partition in partitions for offset in partition.in_hand]

    def forget(self, partitions: Sequence[OwnedPartition]) -> None:
        """What is in hand of these can no longer be given back."""
        for partition in partitions:
            self._out -= len(partition.in_hand)
            partition.in_hand.clear()

    def drop_settled(self) -> None:
        """Forget what waits and was settled meanwhile, by a purge."""
        self._waiting = deque(one for one in self._waiting if _is_open(one[1]))

    def _deliver(self, member: Member, arrival: Arrival) -> Delivery:
        partition, native, count = arrival
        offset = native.offset() or 0
        delivery = Delivery(
            message=message_of(native, partition.topic, partition.lane),
            group=self._group,
            token=(member, partition, offset),
            position=position_of(native),
            delivery_count=count,
            redelivered=partition.was_out(offset),
            native=native,
        )
        partition.in_hand[offset] = delivery
        self._out += 1
        return delivery


def _is_open(arrival: Arrival) -> bool:
    partition, native, _ = arrival
    return (native.offset() or 0) in partition.prefix
