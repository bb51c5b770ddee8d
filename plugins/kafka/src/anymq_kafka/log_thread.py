"""A consumer that reads partitions of one topic from given offsets, to an end or on and on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Message as Native

from anymq.support.thread_bridge import ThreadBridge
from anymq_kafka.client_config import Properties
from anymq_kafka.consumer_thread import ConsumerThread

__all__ = ["LogSink", "LogThread"]


class LogSink(Protocol):
    """Who reads. Called on the loop."""

    def arrived(self, records: Sequence[Native]) -> None:
        """Records, in order per partition."""

    def finished(self) -> None:
        """Every end is reached: nothing comes any more."""

    def ended(self, error: Exception | None) -> None:
        """The thread ended; by this error, if it was not told to."""


class LogThread(ConsumerThread):
    """Belongs to no group and commits nothing. At most ``prefetch`` records wait to be read."""

    def __init__(
        self,
        properties: Properties,
        *,
        name: str,
        bridge: ThreadBridge,
        prefetch: int,
        topic: str,
        starts: Mapping[int, int],
        ends: Mapping[int, int] | None,
        sink: LogSink,
    ) -> None:
        """``starts``, ``ends``: first offset to read, first not to read, by partition."""
        if ends is not None:
            # The last offsets of a log may hold no record (compaction, transaction markers).
            properties = {**properties, "enable.partition.eof": True}
        super().__init__(properties, name=name, bridge=bridge, on_end=sink.ended)
        self._prefetch = prefetch
        self._topic = topic
        self._starts = starts
        self._ends = ends
        self._open = {n for n, at in starts.items() if ends is None or at < ends[n]}
        self._waiting = 0
        self._sink = sink

    def consumed(self, count: int) -> None:
        """So many records were read: there is room for others. On the loop."""

        def count_down(_consumer: Consumer) -> None:
            self._waiting -= count

        self.post(count_down)

    # In the thread.

    def begin(self, consumer: Consumer) -> None:
        consumer.assign(
            [TopicPartition(self._topic, number, self._starts[number]) for number in self._open]
        )
        self._tell_if_finished()

    def room(self) -> int:
        return self._prefetch - self._waiting if self._open else 0

    def is_busy(self) -> bool:
        return False

    def tick(self, consumer: Consumer) -> None:
        pass

    def finish(self, consumer: Consumer) -> None:
        pass

    def note_missing(self) -> None:
        pass  # the topic may come back; a reader to the end is bounded by its caller

    def take(self, records: Sequence[Native]) -> None:
        wanted = [record for record in records if self._is_wanted(record)]
        self._waiting += len(wanted)
        if wanted:
            self.bridge.call(self._sink.arrived, wanted)
        if self._ends is not None:
            for record in records:
                self._note_reached(record.partition() or 0, (record.offset() or 0) + 1)

    def note_end(self, topic: str, partition: int, offset: int) -> None:
        self._note_reached(partition, offset)

    def _is_wanted(self, record: Native) -> bool:
        return self._ends is None or (record.offset() or 0) < self._ends[record.partition() or 0]

    def _note_reached(self, partition: int, offset: int) -> None:
        if self._ends is not None and partition in self._open and offset >= self._ends[partition]:
            self._open.discard(partition)
            self._tell_if_finished()

    def _tell_if_finished(self) -> None:
        if not self._open:
            self.bridge.call(self._sink.finished)
