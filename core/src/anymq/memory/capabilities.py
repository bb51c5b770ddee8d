"""What the memory backend gives, by the features its options leave to it."""

from __future__ import annotations

import platform

from anymq.capabilities import CAPABILITY_NAMES, Capabilities, Durability, Feature, Support
from anymq.memory.options import MemoryOptions

__all__ = ["capabilities_of"]

_NEEDS: dict[str, Feature] = {
    "release": "release",
    "delayed_retry": "retry",
    "delayed_delivery": "due_at",
    "dead_letters": "dead_letter",
    "priority": "priority",
    "ttl": "ttl",
    "order_by_key": "order_by_key",
    "wildcard_subscribe": "wildcard",
    "batch_atomic": "batch_atomic",
}
_NOT_EMULATED = ("order_by_key", "wildcard_subscribe", "batch_atomic")


def capabilities_of(options: MemoryOptions) -> Capabilities:
    """Capabilities for these options: native, or emulated by core where the option says so."""
    features = options.features()
    support = dict.fromkeys(CAPABILITY_NAMES, Support.NATIVE)
    support["persistent"] = Support.UNSUPPORTED
    support["request_reply"] = Support.EMULATED
    for name, feature in _NEEDS.items():
        if feature not in features:
            emulated = name not in _NOT_EMULATED
            support[name] = Support.EMULATED if emulated else Support.UNSUPPORTED
    return Capabilities(
        support=support,
        handles=features,  # type: ignore[arg-type]  # checked against FEATURES by the options
        durability=Durability.NONE,
        server=f"in-process, Python {platform.python_version()}",
        max_message_bytes=options.max_message_bytes,
        max_batch=1000,
        lease_s=options.lease_s,
    )
