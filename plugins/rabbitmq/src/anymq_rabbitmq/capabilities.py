"""What RabbitMQ gives, by itself or with core's help."""

from __future__ import annotations

from anymq.capabilities import Capabilities, Durability, Feature, Support
from anymq_rabbitmq.options import RabbitMQOptions

__all__ = ["capabilities_of"]

_N, _E = Support.NATIVE, Support.EMULATED

_SUPPORT = {
    "persistent": _N,
    "publisher_confirms": _N,
    "consumer_groups": _N,
    "anonymous_subscription": _N,
    "pause_resume": _N,
    "dead_letters": _E,
    "request_reply": _E,
    "release": _N,
    "delayed_retry": _E,
    "delayed_delivery": _E,
    "priority": _E,
    "ttl": _N,
    "order_by_key": _E,
    "replay": _N,
    "seek": _N,
    "wildcard_subscribe": _N,
    "delivery_count": _N,
}


_HANDLES: frozenset[Feature] = frozenset(
    {"release", "retry", "due_at", "ttl", "order_by_key", "wildcard"}
)


def capabilities_of(options: RabbitMQOptions, *, server_version: str = "") -> Capabilities:
    """Capabilities for these options; the durability is that of one node."""
    support = dict(_SUPPORT)
    if options.queue_type == "classic":
        support["delivery_count"] = Support.UNSUPPORTED
    return Capabilities(
        support=support,
        handles=_HANDLES,
        durability=Durability.PROCESS_CRASH,
        server=f"RabbitMQ {server_version}".strip(),
        max_message_bytes=options.max_message_bytes,
        max_batch=500,
        lease_s=None,
    )
