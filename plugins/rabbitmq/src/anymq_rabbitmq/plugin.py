"""The plugin: one descriptor for every scheme. Imports no client before a backend is made."""

from __future__ import annotations

from collections.abc import Iterable

from anymq.abc import BackendContext, Broker, Stream
from anymq.plugins import BackendDescriptor, hookimpl
from anymq_rabbitmq.capabilities import capabilities_of
from anymq_rabbitmq.options import RabbitMQOptions

__all__ = ["anymq_backends"]


@hookimpl
def anymq_backends() -> Iterable[BackendDescriptor]:
    """RabbitMQ 3.10 and later."""
    return [
        BackendDescriptor(
            name="rabbitmq",
            schemes=("amqp", "amqps", "rabbitmq"),
            options=RabbitMQOptions,
            capabilities=capabilities_of(RabbitMQOptions()),
            broker=_broker,
            stream=_stream,
            harness="anymq_rabbitmq.harness:RabbitMQHarness",
            package="anymq-rabbitmq",
            notes={
                "order_by_key": "a queue per partition with a single active consumer; the members"
                " share the partitions",
                "delayed_retry": "in whole seconds, rounded up, by a ladder of queues",
                "delayed_delivery": "in whole seconds, rounded up, by a ladder of queues",
            },
        )
    ]


def _broker(options: RabbitMQOptions, context: BackendContext) -> Broker:
    from anymq_rabbitmq.broker import RabbitMQBroker

    return RabbitMQBroker(options, context)


def _stream(options: RabbitMQOptions, context: BackendContext) -> Stream:
    from anymq_rabbitmq.stream import RabbitMQStream

    return RabbitMQStream(options, context)
