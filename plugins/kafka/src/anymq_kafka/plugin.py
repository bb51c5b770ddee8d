"""The entry points ``kafka`` and ``kafkas``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from anymq.abc import BackendContext
from anymq.plugins import BackendDescriptor, hookimpl
from anymq_kafka.capabilities import capabilities_of
from anymq_kafka.options import KafkaOptions

if TYPE_CHECKING:
    from anymq_kafka.broker import KafkaBroker
    from anymq_kafka.stream import KafkaStream

__all__ = ["anymq_backends"]


@hookimpl
def anymq_backends() -> Iterable[BackendDescriptor]:
    """Apache Kafka, as Broker and Stream. Results of tasks need a store elsewhere."""
    return [
        BackendDescriptor(
            name="kafka",
            schemes=("kafka", "kafkas"),
            options=KafkaOptions,
            capabilities=capabilities_of(KafkaOptions()),
            broker=_broker,
            stream=_stream,
            package="anymq-kafka",
            harness="anymq_kafka.harness:KafkaHarness",
            notes={
                "delayed_retry": "late by at most 1 s + 1 %, through one topic per delay",
                "delivery_count": "owners of the partition lost at an unmoved position, plus one",
                "lease_extension": "a delivery stays ours for as long as its partition does",
            },
        )
    ]


def _broker(options: KafkaOptions, context: BackendContext) -> KafkaBroker:
    from anymq_kafka.broker import KafkaBroker

    return KafkaBroker(options, context)


def _stream(options: KafkaOptions, context: BackendContext) -> KafkaStream:
    from anymq_kafka.stream import KafkaStream

    return KafkaStream(options, context)
