"""The producer: one idempotent client, one poll thread, delivery reports in batches."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Native

from anymq.errors import AnyMQError, ClosedError
from anymq.outcome import Confirmed, Rejected, SendResult, Unknown
from anymq.support.thread_bridge import OwnedThread, ThreadBridge
from anymq_kafka.client_config import Properties
from anymq_kafka.errors import refusal_of, result_of, told
from anymq_kafka.wire import OutRecord, position_of

__all__ = ["ConnectionSink", "ProducerThread"]

ConnectionSink = Callable[[bool, str], None]
"""Told on the loop: whether any broker is reachable now, and what was said."""

_POLL_S = 0.1
"""The longest the poll thread takes to notice that it should stop."""
_PROBE_S = 0.5
"""How long it looks for a broker, again and again, once all were down."""

_FLUSH_SHARE = 0.7
"""Of the time given to close; the rest is for what the library does when it is destroyed."""


class ProducerThread:
    """Owns a ``Producer``. ``send`` may overlap; entries keep their order per partition."""

    def __init__(
        self,
        properties: Properties,
        *,
        name: str,
        bridge: ThreadBridge,
        on_connection: ConnectionSink,
        on_refused: Callable[[AnyMQError], None],
    ) -> None:
        self._properties = {**properties, "error_cb": self._note_error}
        self._bridge = bridge
        self._on_connection = on_connection
        self._on_refused = on_refused
        self._producer = Producer(self._properties)
        self._reports: list[tuple[_Batch, int, KafkaError | None, Native]] = []
        self._stopping = threading.Event()
        self._flush_until = 0.0
        self._is_fatal = False
        self._is_lost = False
        self._thread = OwnedThread(self._poll, name=name, bridge=bridge)

    @property
    def client(self) -> Producer:
        """The library's producer as it is now: a fatal error replaces it."""
        return self._producer

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    async def send(self, records: Sequence[OutRecord], *, timeout_s: float) -> list[SendResult]:
        """Produce records; one result each, in order, within ``timeout_s``.

        Raises ClosedError after ``aclose``.
        """
        if self._stopping.is_set():
            raise ClosedError("this producer is closed")
        batch = _Batch(len(records))
        self._produce(batch, records)
        try:
            async with asyncio.timeout(timeout_s):
                await batch.done.wait()
        except TimeoutError:
            pass  # what is not reported by now is told as unknown
        return batch.told(timeout_s)

    async def aclose(self, *, timeout_s: float) -> bool:
        """Give what is under way most of the time, drop the rest, and end the thread.

        Returns False if the thread still runs. What was dropped is told as unknown.
        """
        if not self._stopping.is_set():
            self._flush_until = time.monotonic() + timeout_s * _FLUSH_SHARE
            self._stopping.set()
        return await self._thread.join(timeout_s=timeout_s)

    def _produce(self, batch: _Batch, records: Sequence[OutRecord]) -> None:
        produce, report = self._producer.produce, self._report
        for index, record in enumerate(records):
            try:
                produce(
                    record.topic,
                    record.value,
                    record.key,
                    record.partition,
                    partial(report, batch, index),
                    headers=record.headers,
                )
            except BufferError:
                batch.put(index, Rejected("full", "the producer's buffer is full"))
            except KafkaException as error:
                batch.put(index, result_of(error.args[0]))

    # In the poll thread.

    def _report(self, batch: _Batch, index: int, error: KafkaError | None, message: Native) -> None:
        self._reports.append((batch, index, error, message))

    def _note_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._is_fatal = True
        if (refusal := refusal_of(error)) is not None:
            self._bridge.call(self._on_refused, refusal)
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._is_lost:
            self._is_lost = True
            self._bridge.call(self._on_connection, False, told(error))

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(_POLL_S)
            self._hand_over()
            if self._is_lost and not self._stopping.is_set():
                self._probe()
            if self._is_fatal:
                self._replace()
        self._drain()
        del self._producer  # here, because the last reference joins the library's threads

    def _drain(self) -> None:
        while len(self._producer) and time.monotonic() < self._flush_until:
            self._producer.poll(_POLL_S)
            self._hand_over()
        self._producer.purge()
        self._producer.poll(0)
        self._hand_over()

    def _hand_over(self) -> None:
        if self._reports:
            reports, self._reports = self._reports, []
            self._bridge.call(_apply, reports)

    def _probe(self) -> None:
        """An idle client does not reconnect; asking for metadata makes it."""
        try:
            self._producer.list_topics(timeout=_PROBE_S)
        except KafkaException:
            self._stopping.wait(_POLL_S)
            return
        self._is_lost = False
        self._bridge.call(self._on_connection, True, "")

    def _replace(self) -> None:
        """After a fatal error an idempotent producer sends nothing more: go on with a new one."""
        self._is_fatal = False
        old, self._producer = self._producer, Producer(self._properties)
        old.purge()
        old.flush(_PROBE_S)
        self._hand_over()


class _Batch:
    """Results of one send, written on the loop alone."""

    __slots__ = ("_missing", "_results", "done")

    def __init__(self, size: int) -> None:
        self._results: list[SendResult | None] = [None] * size
        self._missing = size
        self.done = asyncio.Event()
        if not size:
            self.done.set()

    def put(self, index: int, result: SendResult) -> None:
        self._results[index] = result
        self._missing -= 1
        if not self._missing:
            self.done.set()

    def told(self, timeout_s: float) -> list[SendResult]:
        return [
            Unknown(f"not confirmed within {timeout_s} s") if result is None else result
            for result in self._results
        ]


def _apply(reports: Sequence[tuple[_Batch, int, KafkaError | None, Native]]) -> None:
    for batch, index, error, message in reports:
        batch.put(index, Confirmed(position_of(message)) if error is None else result_of(error))
