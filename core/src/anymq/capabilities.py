"""What backends can do: the one list of names that core, kit and documentation share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Literal, get_args

__all__ = [
    "CAPABILITY_NAMES",
    "FEATURES",
    "Capabilities",
    "Durability",
    "Feature",
    "Support",
    "describe",
]


class Support(StrEnum):
    """What a user gets: from the backend itself, from core on top of it, or not at all."""

    NATIVE = "N"
    EMULATED = "E"
    UNSUPPORTED = "U"


class Durability(IntEnum):
    """What a confirmed message survives. Each level includes the ones before."""

    NONE = 0
    PROCESS_CRASH = 1
    OS_CRASH = 2
    NODE_LOSS = 3

    @classmethod
    def parse(cls, text: str) -> Durability:
        """Read "none", "process_crash", "os_crash" or "node_loss". Raises KeyError."""
        return cls[text.upper()]


CAPABILITY_NAMES: Mapping[str, str] = {
    "persistent": "confirmed messages survive the death of every process",
    "publisher_confirms": "publish returns when the backend has the message",
    "consumer_groups": "named groups share the work and keep their place",
    "anonymous_subscription": "a private subscription that starts now and leaves nothing behind",
    "pause_resume": "intake can be paused without losing the group's place",
    "dead_letters": "messages that cannot be handled are set aside, listed and replayed",
    "request_reply": "a request gets its reply back to the process that asked",
    "release": "a delivery can be given back at once, uncounted",
    "delayed_retry": "a failed delivery comes again not before a delay",
    "delayed_delivery": "a message can be published not before a moment",
    "priority": "low, normal and high; higher first where there is a backlog",
    "ttl": "a message that is too old is not delivered",
    "order_by_key": "messages of one key are handled one at a time, in order",
    "replay": "streams can be read again from the beginning or a position",
    "seek": "streams can be read from a moment in time",
    "wildcard_subscribe": "one subscription reads all topics that match a pattern",
    "lease_extension": "a long handler keeps its delivery for as long as it runs",
    "delivery_count": "how often a message was delivered is known",
    "batch_atomic": "a batch is stored whole or not at all",
}
"""Name and meaning of every capability, in the order of the table in the documentation."""

Feature = Literal[
    "release",
    "retry",
    "dead_letter",
    "due_at",
    "ttl",
    "priority",
    "order_by_key",
    "wildcard",
    "batch_atomic",
]
"""What a plugin may do itself. Core does over plain addresses whatever is not named here."""

FEATURES: frozenset[str] = frozenset(get_args(Feature))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one open backend gives, probed on the server."""

    support: Mapping[str, Support]
    """One entry for each of CAPABILITY_NAMES; a name left out is unsupported."""
    handles: frozenset[Feature]
    """What the plugin does itself: core passes no other settlement and no other ``due_at``."""
    durability: Durability = Durability.NONE
    server: str = ""
    """Product and version as the server tells it."""
    max_message_bytes: int = 1_048_576
    """The largest body that send takes; core checks it before sending."""
    max_batch: int = 500
    """Most messages in one send; core splits larger batches."""
    lease_s: float | None = None
    """How long a delivery stays ours without ``keep``; None: as long as the connection lives."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Further facts for the operator, as text."""

    def level(self, name: str) -> Support:
        """What is given for a capability. Raises KeyError for a name that does not exist."""
        if name not in CAPABILITY_NAMES:
            raise KeyError(name)
        return self.support.get(name, Support.UNSUPPORTED)


def describe(capabilities: Capabilities) -> dict[str, str]:
    """Every capability and its letter, in the order of the table."""
    return {name: str(capabilities.level(name)) for name in CAPABILITY_NAMES}
