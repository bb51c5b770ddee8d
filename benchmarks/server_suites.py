"""What is measured on Redis, RabbitMQ and Kafka, and what must at least be reached."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from benchmarks.remote import Call, Paced, Remote
from benchmarks.suite import LatencySuite, Suite

__all__ = ["LATENCIES", "SERVERS"]

PEER = "FastStream, AckPolicy.ACK"
OURS = "consume"
HAS_PEER = find_spec("faststream") is not None
FILL: Call = ("ours.remote:fill", {"messages": None})


def _peer(remote: Remote) -> dict[str, Remote]:
    """FastStream's candidate, where it is installed."""
    return {PEER: remote} if HAS_PEER else {}


def _beats(times: float) -> dict[str, float]:
    return {PEER: times} if HAS_PEER else {}


# -- Redis ---------------------------------------------------------------------------------------

_REDIS = {
    "redis-publish": Suite(
        baseline="raw: pipelines of 256",
        candidates={
            "raw: pipelines of 256": Remote("redis", "raw.redis:publish"),
            "raw, our fields": Remote("redis", "raw.redis:publish", {"same_fields": True}),
            "publish_many": Remote("redis", "ours.remote:publish_many", {"batch": 500}),
            "window of 256": Remote("redis", "ours.remote:publish_window"),
        },
        goals={"publish_many": 0.9, "window of 256": 0.7},
        messages=50_000,
    ),
    "redis-consume": Suite(
        baseline="raw: reads of 256",
        candidates={
            "raw: reads of 256": Remote("redis", "raw.redis:consume", before=(FILL,)),
            OURS: Remote("redis", "ours.remote:consume", before=(FILL,)),
            "consume, json": Remote("redis", "ours.remote:consume", {"json": True}, (FILL,)),
            **_peer(
                Remote(
                    "redis",
                    "peers.faststream:consume_redis",
                    before=(("peers.faststream:fill_redis", {"messages": None}),),
                    share=0.1,
                )
            ),
        },
        goals={OURS: 0.75},
        beats=_beats(20),
        ours=OURS,
        messages=60_000,
    ),
}

# -- RabbitMQ: classic durable queues, and quorum queues beside ------------------------------------

ASSUME = {"topology": "assume"}


def _queue(kind: str) -> tuple[Call, ...]:
    return (("ours.remote:prepare", {}), ("raw.rabbitmq:declare", {"kind": kind}))


def _rabbitmq_publish(kind: str, goals: Mapping[str, float]) -> Suite:
    before = _queue(kind)
    many = {"batch": 500, **ASSUME}
    same = {"same_fields": True}
    return Suite(
        baseline="raw: aio-pika",
        candidates={
            "raw: aio-pika": Remote("rabbitmq", "raw.rabbitmq:publish", {}, before, 0.3),
            "raw, our fields": Remote("rabbitmq", "raw.rabbitmq:publish", same, before, 0.3),
            "publish_many": Remote("rabbitmq", "ours.remote:publish_many", many, before),
            "window of 256": Remote("rabbitmq", "ours.remote:publish_window", ASSUME, before),
        },
        goals=goals,
        messages=20_000,
    )


def _rabbitmq_consume(kind: str, least: float | None, times: float | None) -> Suite:
    before = (*_queue(kind), ("ours.remote:fill", {"messages": None, **ASSUME}))
    return Suite(
        baseline="raw: aio-pika",
        candidates={
            "raw: aio-pika": Remote("rabbitmq", "raw.rabbitmq:consume", {}, before, 0.3),
            OURS: Remote("rabbitmq", "ours.remote:consume", ASSUME, before),
            "consume, json": Remote(
                "rabbitmq", "ours.remote:consume", {"json": True, **ASSUME}, before
            ),
            **_peer(Remote("rabbitmq", "peers.faststream:consume_rabbitmq", {}, before, 0.3)),
        },
        goals={OURS: least} if least else {},
        beats=_beats(times) if times else {},
        ours=OURS,
        messages=20_000,
    )


_RABBITMQ = {
    "rabbitmq-publish": _rabbitmq_publish("classic", {"publish_many": 2.0, "window of 256": 2.0}),
    "rabbitmq-consume": _rabbitmq_consume("classic", 2.5, 4),
    "rabbitmq-quorum-publish": _rabbitmq_publish("quorum", {}),
    "rabbitmq-quorum-consume": _rabbitmq_consume("quorum", None, None),
}

# -- Kafka ---------------------------------------------------------------------------------------

TOPIC: Call = ("raw.kafka:declare", {})


def _kafka_publish(window: int) -> dict[str, Remote]:
    options = {"window": window}
    same = {**options, "same_fields": True}
    return {
        f"raw: window of {window}": Remote("kafka", "raw.kafka:publish", options, (TOPIC,)),
        "raw, our fields": Remote("kafka", "raw.kafka:publish", same, (TOPIC,)),
    }


_KAFKA = {
    "kafka-publish": Suite(
        baseline="raw: window of 256",
        candidates={
            **_kafka_publish(256),
            "window of 256": Remote("kafka", "ours.remote:publish_window"),
        },
        goals={"window of 256": 0.8},
        messages=50_000,
    ),
    "kafka-publish-many": Suite(
        baseline="raw: window of 5000",
        candidates={
            **_kafka_publish(5000),
            "publish_many": Remote("kafka", "ours.remote:publish_many", {"batch": 5000}),
            "publish_many of 500": Remote("kafka", "ours.remote:publish_many", {"batch": 500}),
        },
        goals={"publish_many": 0.5},
        messages=100_000,
    ),
    "kafka-consume": Suite(
        baseline="raw: consume(500)",
        candidates={
            "raw: consume(500)": Remote("kafka", "raw.kafka:consume", before=(FILL,)),
            OURS: Remote("kafka", "ours.remote:consume", before=(FILL,)),
            "consume, json": Remote("kafka", "ours.remote:consume", {"json": True}, (FILL,)),
            **_peer(Remote("kafka", "peers.faststream:consume_kafka", before=(FILL,), share=0.05)),
        },
        goals={OURS: 0.7},
        beats=_beats(15),
        ours=OURS,
        messages=100_000,
    ),
}

SERVERS: Mapping[str, Suite] = {**_REDIS, **_RABBITMQ, **_KAFKA}

LATENCIES: Mapping[str, LatencySuite] = {
    "redis-latency": LatencySuite(Paced("redis", "raw.redis"), Paced("redis", "ours.remote")),
    "rabbitmq-latency": LatencySuite(
        Paced("rabbitmq", "raw.rabbitmq", before=_queue("classic")),
        Paced("rabbitmq", "ours.remote", ASSUME, _queue("classic")),
    ),
    "kafka-latency": LatencySuite(
        Paced("kafka", "raw.kafka", before=(TOPIC,)), Paced("kafka", "ours.remote")
    ),
}
