"""A thread that owns one Consumer: short polls, a queue of commands, no more than there is room."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Native

from anymq.support.thread_bridge import OwnedThread, ThreadBridge
from anymq_kafka.client_config import Properties
from anymq_kafka.errors import error_of, is_missing

__all__ = ["Command", "ConsumerThread"]

Command = Callable[[Consumer], None]
"""Runs in the thread; must not raise for what a server may answer."""

_IDLE_POLL_S = 0.1
_BUSY_POLL_S = 0.02
"""While something is in flight, because its settlement may come any moment."""
_FULL_WAIT_S = 0.05
_PATIENCE_S = 0.2
"""A pause throws away what was fetched ahead: only for those that stay full this long."""
_MAX_TAKE = 500


class ConsumerThread(ABC):
    """Everything on the consumer happens here, because any other thread would wait for its poll.

    ``on_end`` is called on the loop, with what ended the thread if it was not ``aclose``.
    """

    def __init__(
        self,
        properties: Properties,
        *,
        name: str,
        bridge: ThreadBridge,
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self._properties = {**properties, "error_cb": self._note_callback}
        self._callbacks: list[KafkaError] = []
        self._commands: SimpleQueue[Command] = SimpleQueue()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._full_since: float | None = None
        self._is_paused = False
        self._is_abandoned = False
        self._thread = OwnedThread(self._run, name=name, bridge=bridge, on_end=on_end)
        self.bridge = bridge

    def start(self) -> None:
        """Begin to consume."""
        self._thread.start()

    def post(self, command: Command) -> None:
        """Have a command run soon. Any thread."""
        self._commands.put(command)
        self._wake.set()

    async def aclose(self, *, timeout_s: float) -> bool:
        """Finish, close the consumer and end the thread; False if it still runs by then."""
        self._stopping.set()
        self._wake.set()
        return await self._thread.join(timeout_s=timeout_s)

    def abandon(self) -> None:
        """End as a killed process does: nothing more is committed, and the group is not left."""
        self._is_abandoned = True
        self._stopping.set()
        self._wake.set()

    # What kinds of consumers do differently. All in the thread.

    @abstractmethod
    def begin(self, consumer: Consumer) -> None:
        """Subscribe or assign."""

    @abstractmethod
    def room(self) -> int:
        """How many more records may be taken; 0 or less: none."""

    @abstractmethod
    def is_busy(self) -> bool:
        """Whether commands are likely to come."""

    @abstractmethod
    def take(self, records: Sequence[Native]) -> None:
        """Pass records on. May be a few more than there was room."""

    @abstractmethod
    def tick(self, consumer: Consumer) -> None:
        """Do what is due, once per turn."""

    @abstractmethod
    def finish(self, consumer: Consumer) -> None:
        """Before the consumer is closed, however it came to that."""

    @abstractmethod
    def note_missing(self) -> None:
        """The server knows a topic no more, or not yet."""

    def vanish(self) -> None:  # noqa: B027
        """It was abandoned: forget everything."""

    def note_end(self, topic: str, partition: int, offset: int) -> None:  # noqa: B027
        """A partition has no more records now (only where the end is asked for)."""

    def note_reset(self, consumer: Consumer, topic: str, partition: int) -> None:  # noqa: B027
        """What was to be read next is not there (only where the reset is an error)."""

    def run_commands(self, consumer: Consumer) -> None:
        """Carry out what was posted."""
        while True:
            try:
                command = self._commands.get_nowait()
            except Empty:
                return
            command(consumer)

    def wait(self, timeout_s: float) -> None:
        """Wait for the next command."""
        self._wake.wait(timeout_s)
        self._wake.clear()

    def keep_paused(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Have newly assigned partitions share the pause of the others."""
        if self._is_paused and partitions:
            consumer.pause(list(partitions))

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def _run(self) -> None:
        consumer = Consumer(self._properties)
        try:
            self.begin(consumer)
            while not self._stopping.is_set():
                self._turn(consumer)
        except KafkaException as error:
            raise error_of(error, "consumer") from error
        finally:
            self._end(consumer)

    def _end(self, consumer: Consumer) -> None:
        if self._is_abandoned:
            self.vanish()
            return  # the library does not leave the group of a consumer that was never closed
        try:
            self.run_commands(consumer)
            self.finish(consumer)
        finally:
            consumer.close()

    def _turn(self, consumer: Consumer) -> None:
        self.run_commands(consumer)
        self.tick(consumer)
        room = self.room()
        if room <= 0:
            self._rest(consumer)
            return
        self._flow(consumer)
        first = consumer.poll(_BUSY_POLL_S if self.is_busy() else _IDLE_POLL_S)
        if first is not None:
            more = consumer.consume(min(room, _MAX_TAKE) - 1, 0) if room > 1 else []
            self._sift(consumer, [first, *more])
        self._judge_callbacks()

    def _rest(self, consumer: Consumer) -> None:
        """Take nothing; if it lasts, pause, so that polling for rebalances can go on."""
        now = time.monotonic()
        if self._full_since is None:
            self._full_since = now
        if self._is_paused:
            self._sift(consumer, [stray] if (stray := consumer.poll(0)) is not None else [])
            self._judge_callbacks()
        elif now - self._full_since > _PATIENCE_S:
            self._is_paused = True
            self.keep_paused(consumer, consumer.assignment())
        self.wait(_FULL_WAIT_S)

    def _flow(self, consumer: Consumer) -> None:
        self._full_since = None
        if self._is_paused:
            self._is_paused = False
            if assigned := consumer.assignment():
                consumer.resume(assigned)

    def _sift(self, consumer: Consumer, found: Sequence[Native]) -> None:
        records = [message for message in found if message.error() is None]
        if records:
            self.take(records)
        if len(records) < len(found):
            for message in found:
                self._note_error(consumer, message)

    def _note_error(self, consumer: Consumer, message: Native) -> None:
        error = message.error()
        if error is None:
            return
        if error.code() == KafkaError._PARTITION_EOF:
            self.note_end(message.topic() or "", message.partition() or 0, message.offset() or 0)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION):
            self.note_reset(consumer, message.topic() or "", message.partition() or 0)
        else:
            self._judge(error)

    def _note_callback(self, error: KafkaError) -> None:
        """Some errors come this way alone: refused credentials, a topic that was deleted."""
        self._callbacks.append(error)

    def _judge_callbacks(self) -> None:
        while self._callbacks:
            self._judge(self._callbacks.pop())

    def _judge(self, error: KafkaError) -> None:
        if is_missing(error):
            self.note_missing()
        elif error.fatal() or _is_final(error):
            raise error_of(error, "consumer")


def _is_final(error: KafkaError) -> bool:
    """Whether the library would only repeat it; it recovers from all else by itself."""
    return error.code() in _FINAL


_FINAL = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
