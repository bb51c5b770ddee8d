"""What Kafka gives, before and after a cluster was seen."""

from __future__ import annotations

from collections.abc import Mapping

from anymq.capabilities import Capabilities, Durability, Feature, Support
from anymq_kafka.options import KafkaOptions

__all__ = ["HANDLES", "capabilities_of"]

_NATIVE = (
    "persistent",
    "publisher_confirms",
    "consumer_groups",
    "anonymous_subscription",
    "pause_resume",
    "release",
    "order_by_key",
    "replay",
    "seek",
    "wildcard_subscribe",
)
_EMULATED = (
    "dead_letters",
    "request_reply",
    "delayed_retry",
    "delayed_delivery",
    "priority",
    "ttl",
    "delivery_count",
)
HANDLES: frozenset[Feature] = frozenset({"release", "order_by_key", "wildcard"})
"""A partition has one owner, who can hand out again; all else is core's, by companions."""


def capabilities_of(
    options: KafkaOptions,
    *,
    server: str = "Apache Kafka",
    durability: Durability = Durability.PROCESS_CRASH,
    facts: Mapping[str, str] | None = None,
) -> Capabilities:
    """Kafka syncs nothing to disk by itself: one node survives a crash of processes only."""
    return Capabilities(
        support=dict.fromkeys(_NATIVE, Support.NATIVE) | dict.fromkeys(_EMULATED, Support.EMULATED),
        handles=HANDLES,
        durability=durability,
        server=server,
        max_message_bytes=options.max_message_bytes,
        max_batch=1000,
        options=facts or {},
    )
