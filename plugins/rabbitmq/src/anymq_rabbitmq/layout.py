"""How one topic and one group are made on the server: exchanges, queues and bindings."""

from __future__ import annotations

from aiormq.channel import Channel
from pamqp.common import FieldTable

from anymq.topology import TopicSpec
from anymq_rabbitmq.addressing import queue_destination, topic_destination
from anymq_rabbitmq.groups import GroupFacts
from anymq_rabbitmq.ladder import bind_destination, bind_exchange
from anymq_rabbitmq.names import check_length
from anymq_rabbitmq.quorum import quorum_arguments

__all__ = ["MEMBERS", "bind_group", "main_arguments", "make_exchanges", "make_topic"]

MEMBERS = "anymq.members"
"""The exchange over which members of groups by key hear of each other."""


async def make_topic(channel: Channel, name: str) -> None:
    """The topic's exchange, within reach of the ladder. Idempotent."""
    await channel.exchange_declare(check_length(name), exchange_type="topic", durable=True)
    await bind_exchange(channel, name, topic_destination(name, "*"))


def main_arguments(
    facts: GroupFacts, topic: TopicSpec | None, *, queue_type: str, server_version: str
) -> FieldTable:
    """The arguments of a queue in which a group's messages wait."""
    arguments: FieldTable = {"x-queue-type": "classic"}
    if queue_type == "quorum":
        arguments = quorum_arguments(server_version)
    if facts.order == "key":
        arguments["x-single-active-consumer"] = True
    if topic is not None and topic.retention_s is not None:
        arguments["x-message-ttl"] = max(1, round(topic.retention_s * 1000))
    return arguments


async def make_exchanges(channel: Channel, facts: GroupFacts) -> None:
    """A group by key sorts by partition in an exchange of its own. Idempotent.

    What has none of its routing keys is a foreign client's: an alternate exchange takes it to
    partition 0.
    """
    rest = f"{facts.base}#rest"
    await channel.exchange_declare(rest, exchange_type="fanout", durable=True)
    await channel.exchange_declare(
        f"{facts.base}#",
        exchange_type="direct",
        durable=True,
        arguments={"alternate-exchange": rest},
    )
    await channel.queue_bind(facts.queues[0], rest, "")
    for number, queue in enumerate(facts.queues):
        await channel.queue_bind(queue, f"{facts.base}#", str(number))


async def bind_group(channel: Channel, facts: GroupFacts, topic: str) -> None:
    """Let a group have what is published to a topic from now on. Idempotent."""
    if facts.order == "key":
        await channel.exchange_bind(f"{facts.base}#", topic, "#")
    else:
        await channel.queue_bind(facts.base, topic, "#")
    for queue in (*facts.queues, facts.alone):
        await bind_destination(channel, queue, queue_destination(queue))
