"""What the backends that come with AnyMQ must reach at least; better is welcome."""

from __future__ import annotations

from collections.abc import Mapping

from anymq.capabilities import CAPABILITY_NAMES, Capabilities, Support

__all__ = ["REQUIRED", "shortfalls"]

_COLUMNS = ("memory", "sqlite", "redis", "rabbitmq", "kafka")
_ROWS: Mapping[str, str] = {
    # One letter for each of _COLUMNS: native, emulated, unsupported.
    "persistent": "UNNNN",
    "publisher_confirms": "NNNNN",
    "consumer_groups": "EEEEE",
    "anonymous_subscription": "EEEEE",
    "pause_resume": "EEEEE",
    "dead_letters": "EEEEE",
    "request_reply": "EEEEE",
    "release": "NNNNE",
    "delayed_retry": "NNNEE",
    "delayed_delivery": "NNNEE",
    "priority": "NNEEE",
    "ttl": "NNENE",
    "order_by_key": "NNEEN",
    "replay": "NNNNN",
    "seek": "NNNNN",
    "wildcard_subscribe": "NNENN",
    "lease_extension": "NNNUU",
    "delivery_count": "NNNNE",
    "batch_atomic": "NNNUU",
}
_RANK = {Support.UNSUPPORTED: 0, Support.EMULATED: 1, Support.NATIVE: 2}

REQUIRED: Mapping[str, Mapping[str, Support]] = {
    backend: {name: Support(letters[index]) for name, letters in _ROWS.items()}
    for index, backend in enumerate(_COLUMNS)
}
"""Per backend the least support of each capability."""


def shortfalls(backend: str, capabilities: Capabilities) -> list[str]:
    """Where a first-party backend gives less than it must; empty for any other backend."""
    return [
        f"{name} is {capabilities.level(name)}, and must be {least} ({CAPABILITY_NAMES[name]})"
        for name, least in REQUIRED.get(backend, {}).items()
        if _RANK[capabilities.level(name)] < _RANK[least]
    ]
