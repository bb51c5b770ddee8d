"""What the members of a subscription brought, and what of it is out in the application's hands."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from anymq.message import Delivery
from anymq_kafka.member import Arrival, InHand
from anymq_kafka.partition import OwnedPartition
from anymq_kafka.wire import message_of

__all__ = ["Tray"]


class Tray:
    """Lives on the loop. Deliveries are built when they are handed out, not before."""

    def __init__(self, group: str | None, *, prefetch: int) -> None:
        self._group = group
        self._prefetch = prefetch
        self._waiting: deque[Arrival] = deque()
        self._out = 0

    def put(self, arrivals: Sequence[Arrival]) -> None:
        """Keep what came, in order."""
        self._waiting.extend(arrivals)

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def hand_out(self, max_messages: int) -> list[Delivery]:
        """Deliveries of what waits, no more than the prefetch allows."""
        count = min(max_messages, self._prefetch - self._out, len(self._waiting))
        if count <= 0:
            return []
        self._out += count
        group, take, deliver = self._group, self._waiting.popleft, _deliver
        return [deliver(group, take()) for _ in range(count)]

    def release(self, delivery: Delivery) -> None:
        """Hand a delivery out again, next."""
        member, partition, offset = delivery.token
        count = delivery.delivery_count or 1
        self._waiting.appendleft((member, partition, offset, delivery.native, count))

    def take_back(self, delivery: Delivery) -> bool:
        """Count a delivery as back; False for one that is not in hand."""
        partition: OwnedPartition
        _, partition, offset = delivery.token
        if partition.in_hand.pop(offset, None) is None:
            return False
        self._out -= 1
        return True

    def put_back(self, delivery: Delivery) -> None:
        """A settlement of it is under way still: it may be asked for again."""
        _, partition, offset = delivery.token
        if partition.is_owned and offset not in partition.in_hand:
            partition.in_hand[offset] = delivery
            self._out += 1

    def drop(self, partitions: Sequence[OwnedPartition]) -> InHand:
        """Forget what waits of these; what of them is in hand."""
        gone = set(map(id, partitions))
        self._waiting = deque(one for one in self._waiting if id(one[1]) not in gone)
        return [(partition, offset) for partition in partitions for offset in partition.in_hand]

    def forget(self, partitions: Sequence[OwnedPartition]) -> None:
        """What is in hand of these can no longer be given back."""
        for partition in partitions:
            self._out -= len(partition.in_hand)
            partition.in_hand.clear()

    def drop_settled(self) -> None:
        """Forget what waits and was settled meanwhile, by a purge."""
        self._waiting = deque(one for one in self._waiting if _is_open(one))


def _deliver(group: str | None, arrival: Arrival) -> Delivery:
    member, partition, offset, native, count = arrival
    delivery = Delivery(
        message_of(native, partition.topic, partition.lane),
        group,
        (member, partition, offset),
        f"{partition.number}:{offset}",
        count,
        partition.was_out(offset),
        native,
    )
    partition.in_hand[offset] = delivery
    if partition.is_exact:
        member.loosen(partition)
    return delivery


def _is_open(arrival: Arrival) -> bool:
    return arrival[2] in arrival[1].prefix
