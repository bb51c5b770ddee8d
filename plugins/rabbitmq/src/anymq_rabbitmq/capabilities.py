"""What RabbitMQ gives, by itself or with core's help."""

from __future__ import annotations

from anymq.capabilities import Capabilities, Durability, Support
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
    "ttl": _E,
    "replay": _N,
    "seek": _N,
    "delivery_count": _N,
}


def capabilities_of(options: RabbitMQOptions, *, server_version: str = "") -> Capabilities:
    """Capabilities for these options; the durability is that of one node."""
    return Capabilities(
        support=_SUPPORT,
        handles=frozenset({"release", "retry", "due_at"}),
        durability=Durability.PROCESS_CRASH,
        server=f"RabbitMQ {server_version}".strip(),
        max_message_bytes=options.max_message_bytes,
        max_batch=500,
        lease_s=None,
    )
