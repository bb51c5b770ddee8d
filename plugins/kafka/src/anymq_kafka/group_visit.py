"""A short visit to a group from outside: read its commits, and set them while it has no members.

By a consumer that never joins, not by the admin client: its ``list_consumer_group_offsets`` kills
the process when the group's coordinator moves (librdkafka#5040).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

__all__ = ["GroupVisit"]

_IN_USE = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.NON_EMPTY_GROUP,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
    }
)


class GroupVisit:
    """One try of each, blocking: it runs in the thread that owns the consumer.

    Raises KafkaException.
    """

    def __init__(self, consumer: Consumer, *, timeout_s: float) -> None:
        self._consumer = consumer
        self._timeout_s = timeout_s

    def committed(self, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """The commits, with their notes; a negative offset where there is none."""
        if not partitions:
            return []
        found = self._consumer.committed(list(partitions), timeout=self._timeout_s)
        for at in found:
            if at.error is not None:
                raise KafkaException(at.error)
        return found

    def commit(self, offsets: Sequence[TopicPartition]) -> bool:
        """Set commits; False if the group has members, and nothing is changed."""
        if not offsets:
            return True
        try:
            answers = self._consumer.commit(offsets=list(offsets), asynchronous=False) or []
            errors = [at.error for at in answers if at.error is not None]
        except KafkaException as error:
            errors = [error.args[0]]
        if any(error.code() in _IN_USE for error in errors):
            return False
        if errors:
            raise KafkaException(errors[0])
        return True

    def start(
        self,
        topic: str,
        firsts: Mapping[tuple[str, int], int],
        ends: Mapping[tuple[str, int], int],
    ) -> None:
        """Commit where a group begins in partitions without a commit; renew the rest as they are.

        ``firsts`` and ``ends`` were read before: a process that finds no commit then writes an end
        that is older than any other's declaration, so nothing sent after one is ever skipped. A
        group with members renews itself and is left alone. In a group that has a commit on
        ``topic``, a partition without one is younger than the group and begins at its first record.
        """
        found = self.committed([TopicPartition(*at) for at in firsts])
        is_new = not any(at.topic == topic and at.offset >= 0 for at in found)
        begins = {**firsts, **ends} if is_new else firsts
        self.commit(
            [
                TopicPartition(at.topic, at.partition, at.offset, metadata=at.metadata or "")
                if at.offset >= 0
                else TopicPartition(at.topic, at.partition, begins[at.topic, at.partition])
                for at in found
            ]
        )
