"""The expert's loops with confluent-kafka, synchronous: delivery callbacks, a commit per batch."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # exported by no list

from benchmarks.body import BODY, dumps, loads
from benchmarks.clock import Stopwatch, percentiles, stamped, waited_ms
from benchmarks.pace import ready

__all__ = [
    "check_settled",
    "consume",
    "declare",
    "publish",
    "receive_paced",
    "remove",
    "send_paced",
]

BATCH = 500
LINGER_MS = 5
FETCH_WAIT_MS = 5
LIMIT_S = 60.0


def _servers(url: str) -> str:
    return urlsplit(url).netloc


def declare(url: str, topic: str) -> None:
    """A topic of one partition, with the group at its beginning."""
    admin = AdminClient({"bootstrap.servers": _servers(url)})
    for future in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result(LIMIT_S)
    consumer = _consumer(url, topic)
    consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    consumer.close()


def remove(url: str, topic: str) -> None:
    """The topic and its companions."""
    admin = AdminClient({"bootstrap.servers": _servers(url)})
    names = [name for name in admin.list_topics(timeout=LIMIT_S).topics if name.startswith(topic)]
    if names:
        for future in admin.delete_topics(names).values():
            future.result(LIMIT_S)


def _headers(*, same_fields: bool) -> list[tuple[str, str | bytes | None]] | None:
    """None, or the id, time and content type that ours has."""
    if not same_fields:
        return None
    return [
        ("anymq-id", uuid4().hex),
        ("anymq-timestamp", repr(time.time())),
        ("anymq-content-type", "application/json"),
    ]


def publish(
    url: str, topic: str, messages: int, *, window: int, same_fields: bool = False
) -> dict[str, float]:
    """At most ``window`` without a delivery report; the last report ends it."""
    producer = Producer({"bootstrap.servers": _servers(url), "acks": "all", "linger.ms": LINGER_MS})
    producer.list_topics(topic, timeout=LIMIT_S)  # connected before the clock starts
    told = 0

    def report(error: KafkaError | None, _message: Message) -> None:
        nonlocal told
        if error is not None:
            raise KafkaException(error)
        told += 1

    watch = Stopwatch()
    for number in range(messages):
        while number - told >= window:
            producer.poll(1.0)
        producer.produce(
            topic,
            dumps(BODY).encode(),
            headers=_headers(same_fields=same_fields),
            on_delivery=report,
        )
    while told < messages:
        producer.poll(1.0)
    return watch.result(messages)


def consume(url: str, topic: str, messages: int) -> dict[str, float]:
    """``consume(500)`` and a synchronous commit; first handler call to the last commit."""
    handled = 0
    watch: Stopwatch | None = None

    def handle(body: dict[str, Any]) -> None:
        nonlocal handled, watch
        watch = watch or Stopwatch()
        handled += 1

    consumer = _consumer(url, topic)
    consumer.subscribe([topic])
    until = time.monotonic() + LIMIT_S
    while handled < messages:
        found = consumer.consume(min(BATCH, messages - handled), 5.0)
        for message in found:
            handle(loads(_body(message)))
        if found:
            consumer.commit(asynchronous=False)
        elif time.monotonic() > until:
            raise TimeoutError("nothing more came")
    result = watch.result(messages) if watch else {}
    consumer.close()
    return result


def check_settled(url: str, topic: str, messages: int) -> None:
    """Raises RuntimeError unless the group's committed offset is behind the last message."""
    consumer = _consumer(url, topic)
    [committed] = consumer.committed([TopicPartition(topic, 0)], timeout=LIMIT_S)
    consumer.close()
    if committed.offset != messages:
        raise RuntimeError(f"committed {committed.offset} of {messages}")


def send_paced(url: str, topic: str, messages: int, per_second: float) -> None:
    """One at each moment; nothing lingers."""
    producer = Producer({"bootstrap.servers": _servers(url), "acks": "all", "linger.ms": 0})
    producer.list_topics(topic, timeout=LIMIT_S)
    began = time.monotonic()
    for number in range(messages):
        while (left := began + number / per_second - time.monotonic()) > 0:
            producer.poll(left)
        producer.produce(topic, dumps(stamped()).encode())
    producer.flush(LIMIT_S)


def receive_paced(url: str, topic: str, messages: int) -> dict[str, float]:
    """``poll()`` and stored offsets; how long each took to its handler."""
    waits: list[float] = []

    def handle(body: dict[str, Any]) -> None:
        waits.append(waited_ms(body))

    assigned = False

    def on_assign(_consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        nonlocal assigned
        assigned = True

    consumer = _consumer(url, topic, stores=True)
    consumer.subscribe([topic], on_assign=on_assign)
    while not assigned:
        consumer.poll(0.1)
    ready()
    until = time.monotonic() + LIMIT_S
    while len(waits) < messages and time.monotonic() < until:
        message = consumer.poll(1.0)
        if message is not None:
            handle(loads(_body(message)))
            consumer.store_offsets(message)
    consumer.close()
    return percentiles(waits)


def _body(message: Message) -> bytes:
    if (error := message.error()) is not None:
        raise KafkaException(error)
    value: Any = message.value()
    return bytes(value)


def _consumer(url: str, topic: str, *, stores: bool = False) -> Consumer:
    """Commits when told, or (``stores``) in the background what was stored."""
    return Consumer(
        {
            "bootstrap.servers": _servers(url),
            "group.id": f"{topic}.readers",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": stores,
            "enable.auto.offset.store": not stores,
            "fetch.wait.max.ms": FETCH_WAIT_MS,
        }
    )
