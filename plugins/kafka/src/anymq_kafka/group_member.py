"""A member of a consumer group: shares its partitions, and commits what is settled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    OFFSET_STORED,
    Consumer,
    KafkaException,
    TopicPartition,
)

from anymq.message import Lane
from anymq.support.thread_bridge import ThreadBridge
from anymq_kafka.client_config import Properties
from anymq_kafka.commit_note import CommitNote
from anymq_kafka.member import InHand, Member, MemberSink
from anymq_kafka.partition import OwnedPartition

__all__ = ["GroupMember"]

_ASK_S = 5.0
"""For what is asked of the server while partitions are assigned."""
_AGAIN_S = 0.1
"""Between two tries of a commit."""
_NO_END = 1 << 63
_LEAVE_S = 3.0
"""For leaving a group: until a join that is under way has ended, and for what is owned."""
_BRIEFLY_S = 0.02


class GroupMember(Member):
    """Subscribes to a topic; a partition comes with the same one of the retry companion.

    The companion is not subscribed to: the assignor would balance both topics as one, and a new
    member could get all of the retries and nothing else.
    """

    def __init__(
        self,
        properties: Properties,
        *,
        name: str,
        bridge: ThreadBridge,
        prefetch: int,
        sink: MemberSink,
        topic: str,
        main: str,
        retry: str,
        grace_s: float,
        is_settled: Callable[[], bool],
    ) -> None:
        """A logical topic and its two physical ones; ``grace_s``: on revocation, for settling.

        ``is_settled``: whether nobody is joining the group at present. Called in the thread.
        """
        super().__init__(
            properties, name=name, bridge=bridge, prefetch=prefetch, sink=sink, topic=topic
        )
        self._main = main
        self._lanes: dict[str, Lane] = {main: "main", retry: "retry"}
        self._grace_s = grace_s
        # Settled but not committed when it died, besides what was unsettled.
        self._window = 2 * prefetch
        self._next_try = 0.0
        self._is_settled = is_settled
        self._has_entered = False

    def begin(self, consumer: Consumer) -> None:
        consumer.subscribe(
            [self._main],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    def tick(self, consumer: Consumer) -> None:
        if time.monotonic() >= self._next_try:
            self._commit(consumer, self._dirty())
        self.resolve()

    def finish(self, consumer: Consumer) -> None:
        """Commit, then leave, which commits how orderly it ended."""
        self._commit(consumer, self._dirty())
        self.resolve()
        if self.is_stopping:
            self._leave(consumer)

    def _leave(self, consumer: Consumer) -> None:
        """Have the cluster know that this member is gone; closing the consumer is not enough.

        librdkafka 2.16 does not leave in the middle of a join, nor when it owns no partition: the
        member that nobody is holds up the others until its session is over. And its close may wait
        for ever where it has not yet told of partitions that were assigned.
        """
        until = time.monotonic() + _LEAVE_S
        while time.monotonic() < until and not (self._has_entered and self._is_settled()):
            consumer.poll(_BRIEFLY_S)  # what it returns was never taken, and is not committed
        consumer.poll(0)
        consumer.unsubscribe()
        while self.partitions and time.monotonic() < until:
            consumer.poll(_BRIEFLY_S)

    def _dirty(self) -> list[OwnedPartition]:
        return [p for p in self.partitions.values() if p.is_dirty and p.can_commit]

    def _commit(self, consumer: Consumer, partitions: Sequence[OwnedPartition]) -> None:
        """Commit what these are at; those that are confirmed are clean, the rest stays dirty."""
        if self._commit_at(consumer, partitions, [partition.commit() for partition in partitions]):
            self._next_try = time.monotonic() + _AGAIN_S

    def _commit_at(
        self,
        consumer: Consumer,
        partitions: Sequence[OwnedPartition],
        offsets: list[TopicPartition],
    ) -> bool:
        """Whether any of them has to be tried again."""
        if not offsets:
            return False
        try:
            answers = consumer.commit(offsets=offsets, asynchronous=False) or []
        except KafkaException:
            # Also of an older generation: in a rebalance that leaves these partitions with us.
            # If they are not, we are told by a revocation or a loss.
            return True
        failed = {(at.topic, at.partition) for at in answers if at.error is not None}
        for partition in partitions:
            partition.is_dirty = (partition.physical, partition.number) in failed
        return bool(failed)

    def _commit_until(
        self,
        consumer: Consumer,
        partitions: Sequence[OwnedPartition],
        offsets: list[TopicPartition],
    ) -> None:
        """The last commit of partitions that go; another one may be going on in the group."""
        until = time.monotonic() + self._grace_s
        while self._commit_at(consumer, partitions, offsets) and time.monotonic() < until:
            time.sleep(_AGAIN_S)

    def _both_lanes(self, told: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(topic, at.partition) for topic in self._lanes for at in told]

    def _assigned(self, consumer: Consumer, told: list[TopicPartition]) -> None:
        self._has_entered = True
        wanted = self._both_lanes(told)
        committed = self._committed(consumer, wanted)
        self.own([self._owned(consumer, at) for at in committed])
        consumer.incremental_assign(
            [TopicPartition(at.topic, at.partition, at.offset) for at in committed]
        )
        self.keep_paused(consumer, wanted)
        # Before anything is handed out: who takes over after a crash must know that it may be.
        self._commit(consumer, self._dirty())

    def _committed(self, consumer: Consumer, wanted: list[TopicPartition]) -> list[TopicPartition]:
        """Where the partitions are, with the notes; where that is not known, the library asks."""
        try:
            found = consumer.committed(wanted, timeout=_ASK_S) if wanted else []
        except KafkaException:
            return [TopicPartition(at.topic, at.partition, OFFSET_STORED) for at in wanted]
        for at in found:
            if at.error is not None:
                at.offset = OFFSET_STORED
            elif at.offset == OFFSET_INVALID:
                at.offset = OFFSET_BEGINNING  # younger than the group: nothing of it is missed
        return found

    def _owned(self, consumer: Consumer, at: TopicPartition) -> OwnedPartition:
        position = at.offset if at.offset >= 0 else None
        note = CommitNote.decode(at.metadata, at.offset) if position is not None else CommitNote()
        return OwnedPartition(
            at.topic,
            at.partition,
            self._lanes[at.topic],
            topic=self.topic,
            position=position,
            note=note,
            end=self._end_of(consumer, at) if note.window else 0,
            window=self._window,
        )

    def _end_of(self, consumer: Consumer, at: TopicPartition) -> int:
        """Records from here on cannot have been delivered before."""
        try:
            found = consumer.get_watermark_offsets(at, timeout=_ASK_S)
        except KafkaException:
            found = None
        return _NO_END if found is None else found[1]

    def _revoked(self, consumer: Consumer, told: list[TopicPartition]) -> None:
        wanted = self._both_lanes(told)
        partitions = [p for at in wanted if (p := self.partitions.get((at.topic, at.partition)))]
        held = self._drain(consumer, partitions)
        self.disown(wanted)
        known = [partition for partition in partitions if partition.can_commit]
        left = [
            partition.leave(offset for of, offset in held if of is partition) for partition in known
        ]
        self._commit_until(consumer, known, left)
        self.resolve()
        self.forsake(partitions, "the partition went to another consumer before the commit")
        consumer.incremental_unassign(wanted)

    def _lost(self, consumer: Consumer, told: list[TopicPartition]) -> None:
        wanted = self._both_lanes(told)
        partitions = self.disown(wanted)
        self.bridge.call(self.sink.leaving, partitions, None)
        self.forsake(partitions, None)
        consumer.incremental_unassign(wanted)

    def _drain(self, consumer: Consumer, partitions: Sequence[OwnedPartition]) -> InHand:
        """Let the loop know, and settle for a moment; what was in hand when it was told."""
        if not partitions:
            return []
        replies: SimpleQueue[InHand] = SimpleQueue()
        self.bridge.call(self.sink.leaving, partitions, replies.put)
        until = time.monotonic() + (0.0 if self.is_stopping else self._grace_s)
        held = _reply(replies, partitions, until)
        while any(offset in p.prefix for p, offset in held) and time.monotonic() < until:
            self.wait(_AGAIN_S)
            self.run_commands(consumer)
        self.run_commands(consumer)
        return held


def _reply(
    replies: SimpleQueue[InHand], partitions: Sequence[OwnedPartition], until: float
) -> InHand:
    try:
        return replies.get(timeout=max(until - time.monotonic(), _AGAIN_S))
    except Empty:  # the loop is busy: take it that all of it is in hand
        return [(p, offset) for p in partitions for offset in p.prefix.holes(_NO_END)]
