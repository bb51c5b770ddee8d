"""Where a message goes: from its address and due moment to an exchange and a routing key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anymq.abc import BackendContext
from anymq.message import Message
from anymq.outcome import CONFIRMED, Rejected, SendResult, Unknown
from anymq_rabbitmq.confirms import Parcel
from anymq_rabbitmq.directory import Directory
from anymq_rabbitmq.groups import Groups
from anymq_rabbitmq.ladder import LADDER_END, first_step
from anymq_rabbitmq.properties import Properties
from anymq_rabbitmq.wire import encode

__all__ = ["TOPOLOGY_GONE", "Addressing", "queue_destination", "topic_destination"]

TOPOLOGY_GONE = Unknown("what was declared here is missing on the server")
"""The answer, always this object, when exchange or queues were lost by other means than ours."""


def topic_destination(topic: str, partition: str) -> str:
    """What the ladder calls a topic; ``*`` stands for every partition."""
    return f"t.{topic}.{partition}"


def queue_destination(queue: str) -> str:
    """What the ladder calls a queue. A group's pattern must be none for the ladder."""
    return "q." + queue.replace("*", "!any").replace("#", "!")


class Addressing:
    """Makes parcels of messages, asking the directory what is declared."""

    def __init__(
        self,
        context: BackendContext,
        directory: Directory,
        *,
        groups: Groups,
        groups_of: Callable[[str], int | None],
    ) -> None:
        self._groups = groups
        self._context = context
        self._directory = directory
        self._groups_of = groups_of
        """How many groups of a topic were declared here; None for a topic that was not."""

    async def parcels(self, messages: Sequence[Message]) -> list[Parcel | SendResult]:
        """One parcel or refusal per message, in order."""
        return [await self._parcel(message, self._delay_of(message)) for message in messages]

    async def retry_parcel(
        self, message: Message, queue: str, delay_s: float
    ) -> Parcel | SendResult:
        """A message for one queue, in ``delay_s`` seconds."""
        now = self._context.clock.time()
        properties = encode(message, now=now, is_routed=True, is_delayed=delay_s > 0)
        if isinstance(properties, Rejected):
            return properties
        target = await self._to_queue(queue, delay_s)
        return _parcel(message, properties, target)

    def _delay_of(self, message: Message) -> float:
        if message.due_at is None:
            return 0.0
        return message.due_at - self._context.clock.time()

    async def _parcel(self, message: Message, delay_s: float) -> Parcel | SendResult:
        topic = self._context.physical(message.topic)
        if message.group is None and message.lane != "main":
            return Rejected("invalid", f"the {message.lane} lane needs a group")
        is_routed = message.group is not None or delay_s > 0
        now = self._context.clock.time()
        properties = encode(message, now=now, is_routed=is_routed, is_delayed=delay_s > 0)
        if isinstance(properties, Rejected):
            return properties
        if message.group is None:
            target = await self._to_topic(topic, message.partition, delay_s)
        else:
            facts = await self._groups.find(topic, message.group)
            if facts is None:
                return Rejected("not_found", f"{topic!r} has no group {message.group!r}")
            target = await self._to_queue(facts.queue_for(message), delay_s)
        return _parcel(message, properties, target)

    async def _to_topic(
        self, topic: str, partition: int, delay_s: float
    ) -> tuple[str, str, SendResult] | SendResult:
        if not await self._directory.has_exchange(topic):
            if self._groups_of(topic) is not None:
                return TOPOLOGY_GONE
            return Rejected("not_found", f"the topic {topic!r} is not declared")
        if delay_s <= 0:
            return topic, str(partition), self._unrouted(topic)
        return await self._delayed(topic_destination(topic, str(partition)), delay_s)

    def _unrouted(self, topic: str) -> SendResult:
        """A declared topic without a group: nobody misses it. With one, its queue is gone."""
        return TOPOLOGY_GONE if self._groups_of(topic) else CONFIRMED

    async def _to_queue(
        self, queue: str, delay_s: float
    ) -> tuple[str, str, SendResult] | SendResult:
        missing = Rejected("not_found", f"there is no queue {queue!r}")
        if delay_s <= 0:
            return "", queue, missing
        if not await self._directory.has_queue(queue):
            return missing
        return await self._delayed(queue_destination(queue), delay_s)

    async def _delayed(
        self, destination: str, delay_s: float
    ) -> tuple[str, str, SendResult] | SendResult:
        missing = Rejected("not_found", "the delay ladder is not declared")
        if not await self._directory.has_exchange(LADDER_END):
            return missing
        step = first_step(delay_s, destination)
        return step if isinstance(step, Rejected) else (*step, missing)


def _parcel(
    message: Message, properties: Properties, target: tuple[str, str, SendResult] | SendResult
) -> Parcel | SendResult:
    if not isinstance(target, tuple):
        return target
    exchange, routing_key, unrouted = target
    return Parcel(exchange, routing_key, properties, message.body, unrouted)
