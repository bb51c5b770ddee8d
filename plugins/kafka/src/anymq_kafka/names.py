"""Physical names: topics, companions, groups and streams."""

from __future__ import annotations

from anymq.abc import BackendContext
from anymq.message import Lane, Message
from anymq_kafka.options import KafkaOptions

__all__ = ["Names"]


class Names:
    """How logical names stand on the cluster."""

    def __init__(self, options: KafkaOptions, context: BackendContext) -> None:
        self._physical = context.physical
        self._stream_prefix = options.stream_prefix
        self._namespace = f"{context.namespace}." if context.namespace else ""

    def topic(self, topic: str, group: str | None = None, lane: Lane = "main") -> str:
        """A topic, or the companion of one of its groups; a group's main lane is private too."""
        name = self._physical(topic)
        if group is None:
            return name
        return f"{name}.{group}.{'dead' if lane == 'dead' else 'retry'}"

    def address(self, message: Message) -> str:
        """Where a message goes."""
        return self.topic(message.topic, message.group, message.lane)

    def group(self, topic: str, group: str) -> str:
        """The ``group.id`` of a topic's group."""
        return f"{self._physical(topic)}.{group}"

    def stream(self, stream: str) -> str:
        """A stream's topic, apart from the Broker's topics."""
        return self._physical(f"{self._stream_prefix}{stream}")

    def stream_group(self, group: str) -> str:
        """The ``group.id`` under which a stream group's positions stand; no Broker group has it."""
        return self._physical(f"anymq.stream.{group}")

    def logical(self, physical: str) -> str | None:
        """The name without the namespace; None for what belongs to another one or to Kafka."""
        if not physical.startswith(self._namespace) or physical.startswith("__"):
            return None
        return physical.removeprefix(self._namespace)
