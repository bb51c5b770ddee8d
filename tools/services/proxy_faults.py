"""What a proxy does to the connections through it, now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

__all__ = ["Faults"]


def _is_set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Faults:
    """The faults in force; all off by default. `heal` of the proxy replaces the whole record."""

    delay_s: float = 0.0
    """Added to each direction; does not lower the throughput."""
    bytes_per_s: float = 0.0
    """The rate of each direction of each connection; 0 is unlimited."""
    slice_bytes: int = 0
    """Nothing larger is written at once; 0 is unlimited."""
    reply_budget: int | None = None
    """A connection is reset once this many bytes more of replies went through it."""
    drops_replies: bool = False
    """What the server says is thrown away; what the client says arrives."""
    refuses: bool = False
    """A new connection is reset at once."""
    flowing: asyncio.Event = field(default_factory=_is_set)
    """Clear: nothing passes either way, not even the end of a connection."""
