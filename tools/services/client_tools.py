"""The servers' own command line tools, set up for the instance that runs."""

from __future__ import annotations

from collections.abc import Sequence

from services import state
from services.errors import ServiceError, UsageError
from services.server import Command
from services.server_kafka import KafkaServer
from services.server_rabbitmq import RabbitServer
from services.settings import Settings

__all__ = ["KAFKA_TOOLS", "kafka_tool", "rabbitmq_tool"]

KAFKA_TOOLS = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
}
"""The Java class behind each of Kafka's commands."""

_OFFLINE = frozenset({"kafka-dump-log"})
"""These read files and connect to nothing."""


def kafka_tool(name: str, arguments: Sequence[str], settings: Settings) -> Command:
    """Return a Kafka command; our server is meant where the arguments name none.

    Raises:
        UsageError: there is no such command.
        ServiceError: Kafka was never started.
    """
    if name not in KAFKA_TOOLS:
        raise UsageError(f"unknown Kafka tool {name!r}: choose from {', '.join(KAFKA_TOOLS)}")
    server = KafkaServer(settings)
    record = _record(server)
    command = server.tool(KAFKA_TOOLS[name], record.ports)
    extra = list(arguments)
    if name not in _OFFLINE and not any(a.startswith("--bootstrap-") for a in arguments):
        extra = ["--bootstrap-server", f"127.0.0.1:{record.ports['main']}", *extra]
    return Command((*command.argv, *extra), command.environ)


def rabbitmq_tool(name: str, arguments: Sequence[str], settings: Settings) -> Command:
    """Return a RabbitMQ command, such as rabbitmqctl, for our node.

    Raises:
        ServiceError: there is no such command, or RabbitMQ was never started.
    """
    server = RabbitServer(settings)
    command = server.tool(name, _record(server).ports)
    return Command((*command.argv, *arguments), command.environ)


def _record(server: KafkaServer | RabbitServer) -> state.Record:
    record = state.load(server.home)
    if record is None:
        raise ServiceError(f"{server.name} was never started: run `up {server.name}` first")
    return record
