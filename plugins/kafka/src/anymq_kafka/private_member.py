"""The consumer of an anonymous subscription: from now on, in no group, leaving nothing behind."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from anymq.support.thread_bridge import ThreadBridge
from anymq_kafka.client_config import Properties
from anymq_kafka.member import Member, MemberSink
from anymq_kafka.offsets import Partition
from anymq_kafka.partition import OwnedPartition

__all__ = ["PrivateMember"]


class PrivateMember(Member):
    """Reads all partitions from given offsets. Nothing is committed: a settlement is final."""

    def __init__(
        self,
        properties: Properties,
        *,
        name: str,
        bridge: ThreadBridge,
        prefetch: int,
        sink: MemberSink,
        topic: str,
        starts: Mapping[Partition, int],
    ) -> None:
        """``topic``: the logical one; ``starts``: from which offset each partition is read."""
        super().__init__(
            properties, name=name, bridge=bridge, prefetch=prefetch, sink=sink, topic=topic
        )
        self._starts = starts

    def begin(self, consumer: Consumer) -> None:
        self.own(
            [
                OwnedPartition(physical, number, "main", topic=self.topic, position=offset)
                for (physical, number), offset in self._starts.items()
            ]
        )
        consumer.assign([TopicPartition(*at, offset) for at, offset in self._starts.items()])

    def tick(self, consumer: Consumer) -> None:
        for partition in self.partitions.values():
            partition.is_dirty = False
        self.resolve()

    def finish(self, consumer: Consumer) -> None:
        self.tick(consumer)
        partitions = list(self.partitions.values())
        self.partitions.clear()
        self.forsake(partitions, None)
