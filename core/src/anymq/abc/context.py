"""What core hands to a plugin's factory besides its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anymq.abc.events import BackendEvent
from anymq.support.clock import Clock

__all__ = ["BackendContext", "EventSink"]

EventSink = Callable[[BackendEvent], None]
"""Called on the event loop's thread, never blocks, never raises."""


@dataclass(frozen=True, slots=True)
class BackendContext:
    """Who asks: one per role of one application."""

    clock: Clock
    """The only source of time for leases and due moments, so that tests can move it."""
    namespace: str = ""
    """Put before every physical name, with a dot; "" for none."""
    client_id: str = "anymq"
    """How the connection names itself to the server."""

    def physical(self, name: str) -> str:
        """The name of a topic on the backend."""
        return f"{self.namespace}.{name}" if self.namespace else name
