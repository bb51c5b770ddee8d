"""A short visit to a group from outside: read its commits, and set them while it has no members.

By a consumer that never joins, not by the admin client: its ``list_consumer_group_offsets`` kills
the process when the group's coordinator moves (librdkafka#5040).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from anymq.errors import BackendUnavailable
from anymq_kafka.errors import error_of
from anymq_kafka.settling_down import is_settling_down

__all__ = ["GroupVisit"]

_PAUSE_S = 0.1
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
    """Everything here blocks: it runs in a thread of its own, which owns the consumer."""

    def __init__(self, consumer: Consumer, group_id: str, *, timeout_s: float) -> None:
        self._consumer = consumer
        self._group_id = group_id
        self._until = time.monotonic() + timeout_s

    def committed(self, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """The commits, with their notes; a negative offset where there is none.

        Raises BackendUnavailable, AccessDenied.
        """
        while partitions:
            try:
                found = self._consumer.committed(list(partitions), timeout=self._left_s())
            except KafkaException as error:
                self._pause(error)
                continue
            errors = [at.error for at in found if at.error is not None]
            if not errors:
                return found
            self._pause(KafkaException(errors[0]))
        return []

    def commit(self, offsets: Sequence[TopicPartition]) -> bool:
        """Set commits; False if the group has members, and nothing is changed. Raises likewise."""
        while offsets:
            try:
                answers = self._consumer.commit(offsets=list(offsets), asynchronous=False) or []
                errors = [at.error for at in answers if at.error is not None]
            except KafkaException as error:
                errors = [error.args[0]]
            if not errors:
                return True
            if any(error.code() in _IN_USE for error in errors):
                return False
            self._pause(KafkaException(errors[0]))
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

    def _left_s(self) -> float:
        return max(self._until - time.monotonic(), 0.0)

    def _pause(self, error: KafkaException) -> None:
        """Before trying again what a cluster refuses for a moment; raise our error for the rest."""
        what = f"offsets of group {self._group_id!r}"
        if self._left_s() <= _PAUSE_S:
            raise BackendUnavailable(f"{what}: {error}") from error
        if not is_settling_down(error.args[0]):
            raise error_of(error, what) from error
        time.sleep(_PAUSE_S)
