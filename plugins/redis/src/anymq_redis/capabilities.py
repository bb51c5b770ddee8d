"""What Redis gives, before a server was asked and after."""

from __future__ import annotations

from anymq.capabilities import Capabilities, Durability, Feature, Support
from anymq_redis.options import RedisOptions

__all__ = ["claimed", "found"]

_SUPPORT: dict[str, Support] = {
    "persistent": Support.NATIVE,
    "publisher_confirms": Support.NATIVE,
    "consumer_groups": Support.NATIVE,
    "anonymous_subscription": Support.NATIVE,
    "pause_resume": Support.NATIVE,
    "dead_letters": Support.NATIVE,
    "request_reply": Support.EMULATED,
    "release": Support.NATIVE,
    "delayed_retry": Support.NATIVE,
    "delayed_delivery": Support.NATIVE,
    "priority": Support.EMULATED,
    "ttl": Support.EMULATED,
    "order_by_key": Support.EMULATED,
    "replay": Support.NATIVE,
    "seek": Support.NATIVE,
    "wildcard_subscribe": Support.EMULATED,
    "lease_extension": Support.NATIVE,
    "delivery_count": Support.NATIVE,
    "batch_atomic": Support.NATIVE,
}

_HANDLES: frozenset[Feature] = frozenset(
    {"release", "retry", "dead_letter", "due_at", "order_by_key", "wildcard", "batch_atomic"}
)


def claimed(options: RedisOptions) -> Capabilities:
    """What a server that is set up as it should be gives."""
    return Capabilities(
        support=_SUPPORT,
        handles=_HANDLES,
        durability=Durability.PROCESS_CRASH,
        max_message_bytes=options.max_message_bytes,
        max_batch=options.max_batch,
        lease_s=options.lease_s,
    )


def found(
    options: RedisOptions, *, server: str, durability: Durability, facts: dict[str, str]
) -> Capabilities:
    """What this server gives: without its append-only file nothing that was confirmed is safe."""
    claim = claimed(options)
    support = dict(_SUPPORT)
    if durability is Durability.NONE:
        support["persistent"] = Support.UNSUPPORTED
    return Capabilities(
        support=support,
        handles=claim.handles,
        durability=durability,
        server=server,
        max_message_bytes=claim.max_message_bytes,
        max_batch=claim.max_batch,
        lease_s=claim.lease_s,
        options=facts,
    )
