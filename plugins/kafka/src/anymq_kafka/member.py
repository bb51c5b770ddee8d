"""One consumer of one subscription: which records it took, and which of them are settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Native

from anymq.support.thread_bridge import ThreadBridge
from anymq_kafka.client_config import Properties
from anymq_kafka.consumer_thread import ConsumerThread
from anymq_kafka.offsets import Partition
from anymq_kafka.partition import OwnedPartition
from anymq_kafka.settling import SettleCall

__all__ = ["Arrival", "InHand", "Member", "MemberSink"]

Arrival = tuple["Member", OwnedPartition, int, Native, int]
"""Who took a record, its partition and offset, the record, and its count of deliveries."""
InHand = list[tuple[OwnedPartition, int]]
_ASK_S = 5.0
_LOOK_S = 1.0
"""Asked again as often as it takes; in between others are served."""
_AHEAD = 64
"""So that the next record is there when one is settled, however small the prefetch is."""


class MemberSink(Protocol):
    """The subscription, as its members see it. Called on the loop."""

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Records to hand out."""

    def leaving(
        self, partitions: Sequence[OwnedPartition], reply: Callable[[InHand], None] | None
    ) -> None:
        """Partitions go to another member: drop what waits, and reply with what is in hand."""

    def left(self, partitions: Sequence[OwnedPartition]) -> None:
        """They are gone: what is still in hand can no longer be settled."""

    def trimmed(self, topic: str, count: int) -> None:
        """So many records of a topic were deleted before they were read."""

    def suspects_missing(self) -> None:
        """A topic may be gone."""

    def ended(self, member: Member, error: Exception | None) -> None:
        """A member's thread ended; by this error, if it was not told to."""


class Member(ConsumerThread):
    """Keeps at most ``prefetch`` records unsettled, or a few that wait for their turn.

    Nobody else could have those: a partition has one owner.
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
    ) -> None:
        super().__init__(properties, name=name, bridge=bridge, on_end=self._tell_end)
        self._ahead = max(prefetch, _AHEAD)
        self.topic = topic
        self.sink = sink
        self.partitions: dict[Partition, OwnedPartition] = {}
        self._calls: list[SettleCall] = []
        self._resets: list[Partition] = []
        self._holds = False

    def settle(
        self,
        offsets: Mapping[OwnedPartition, Iterable[int]],
        released: Iterable[OwnedPartition] = (),
    ) -> SettleCall:
        """Begin to settle deliveries; of ``released`` others were given back. On the loop."""
        call = SettleCall(offsets, released, self.bridge)
        self.post(lambda _consumer: self._begin_call(call))
        return call

    def loosen(self, partition: OwnedPartition) -> None:
        """More of a partition is handed out than was committed by name. On the loop."""
        self.post(lambda _consumer: partition.loosen())

    def hold(self, holds: bool) -> None:
        """Take nothing until told otherwise. On the loop."""

        def set_it(_consumer: Consumer) -> None:
            self._holds = holds

        self.post(set_it)

    def in_hand(self) -> int:
        """How many of its deliveries are out. On the loop."""
        return sum(len(partition.in_hand) for partition in list(self.partitions.values()))

    def purge(self, told: Callable[[int], None]) -> None:
        """Drop what waits in its partitions; ``told`` hears on the loop how many that were.

        Nothing may be handed out until then. On the loop.
        """
        self.post(lambda consumer: self.bridge.call(told, self._purge(consumer)))

    def _tell_end(self, error: Exception | None) -> None:
        self.sink.ended(self, error)

    # In the thread.

    def vanish(self) -> None:
        """Nothing of it is ours any more, and nobody on the server is told."""
        partitions = list(self.partitions.values())
        self.partitions.clear()
        self.bridge.call(self.sink.leaving, partitions, None)
        self.forsake(partitions, None)

    def _purge(self, consumer: Consumer) -> int:
        count = 0
        for partition in self.partitions.values():
            at = TopicPartition(partition.physical, partition.number)
            try:
                found = consumer.get_watermark_offsets(at, timeout=_ASK_S)
                if found is not None:
                    consumer.seek(TopicPartition(at.topic, at.partition, found[1]))
                    count += partition.drop_waiting(found[1])
            except KafkaException:
                continue  # what cannot be dropped now is still counted as waiting
        return count

    def room(self) -> int:
        return 0 if self._holds else self._ahead - self._unsettled()

    def is_busy(self) -> bool:
        return bool(self._calls) or self._unsettled() > 0

    def take(self, records: Sequence[Native]) -> None:
        arrivals: list[Arrival] = []
        find = self.partitions.get
        for record in records:
            partition = find((record.topic(), record.partition()))  # type: ignore[arg-type]  # both are there
            if partition is None:
                continue  # fetched before its revocation was told
            offset = record.offset() or 0
            count = partition.see(offset)
            if count:
                arrivals.append((self, partition, offset, record, count))
        if arrivals:
            self.bridge.call(self.sink.arrived, arrivals)

    def note_reset(self, consumer: Consumer, topic: str, partition: int) -> None:
        """Go on with the oldest record that is left, and tell how many are not."""
        owned = self.partitions.get((topic, partition))
        at = TopicPartition(topic, partition)
        try:
            found = consumer.get_watermark_offsets(at, timeout=_LOOK_S)
            if owned is None:
                return
            if found is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            at.offset, lost = owned.resume_at(*found)
            consumer.incremental_unassign([at])  # fetching ended: there is nothing to seek in
            consumer.incremental_assign([at])
            self.keep_paused(consumer, [at])
        except KafkaException:
            # Out of reach for a moment; whether the topic is there is asked in another way, too.
            self.note_missing()
            self._resets.append((topic, partition))
            return
        if lost:
            self.bridge.call(self.sink.trimmed, topic, lost)

    def run_commands(self, consumer: Consumer) -> None:
        resets, self._resets = self._resets, []
        for topic, partition in resets:
            self.note_reset(consumer, topic, partition)
        super().run_commands(consumer)

    def note_missing(self) -> None:
        self.bridge.call(self.sink.suspects_missing)

    def own(self, partitions: Sequence[OwnedPartition]) -> None:
        """These are ours now."""
        for partition in partitions:
            self.partitions[partition.physical, partition.number] = partition

    def disown(self, wanted: Sequence[TopicPartition]) -> list[OwnedPartition]:
        """Take these out of what is ours; they go on being owned until told otherwise."""
        found = (self.partitions.pop((at.topic, at.partition), None) for at in wanted)
        return [partition for partition in found if partition is not None]

    def resolve(self) -> None:
        """Tell the calls whose commits are confirmed."""
        self._calls = [call for call in self._calls if not call.is_done()]

    def forsake(self, partitions: Sequence[OwnedPartition], reason: str | None) -> None:
        """From now on settling these is stale; waiting calls are told so, or that nobody knows."""
        for partition in partitions:
            partition.is_owned = False
        self._calls = [call for call in self._calls if not call.give_up(partitions, reason)]
        self.bridge.call(self.sink.left, partitions)

    def _unsettled(self) -> int:
        return sum(partition.prefix.unsettled for partition in self.partitions.values())

    def _begin_call(self, call: SettleCall) -> None:
        call.mark()
        self._calls.append(call)
