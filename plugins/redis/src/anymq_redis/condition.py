"""What the connections of one Broker or Stream have seen, told as events."""

from __future__ import annotations

import time
from collections.abc import Hashable

from anymq.abc import BackendEvent, EventSink

__all__ = ["Condition"]


class Condition:
    """Tells each change once: many connections lose the same server at the same time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._events: EventSink | None = None
        self._is_lost = False
        self._readers: dict[Hashable, str] = {}
        self._heard_at = 0.0

    @property
    def trouble(self) -> str:
        """Why a subscription cannot read at present; empty where all can."""
        return next(iter(self._readers.values()), "")

    @property
    def silent_s(self) -> float:
        """How long ago the server last answered anything."""
        return time.monotonic() - self._heard_at

    def connected(self, events: EventSink) -> None:
        """The server was reached for the first time; from now on changes are told."""
        self._events = events
        self._tell("connected", self._address)

    def lost(self, reason: str, *, reader: Hashable = None) -> None:
        """An exchange failed for want of a connection; ``reader`` is whose that was, if one's."""
        if reader is not None:
            self._readers[reader] = reason
        if self._events is not None and not self._is_lost:
            self._is_lost = True
            self._tell("lost", reason)

    def works(self, *, reader: Hashable = None) -> None:
        """An exchange succeeded."""
        self._heard_at = time.monotonic()
        self._readers.pop(reader, None)
        if self._is_lost and not self._readers:
            self._is_lost = False
            self._tell("recovered", self._address)

    def rests(self, reader: Hashable) -> None:
        """This reader reads no more, or not for now."""
        self._readers.pop(reader, None)

    def degraded(self, reason: str) -> None:
        """It works, but not as promised."""
        self._tell("degraded", reason)

    def _tell(self, kind: str, detail: str) -> None:
        if self._events is not None:
            self._events(BackendEvent(kind, detail))  # type: ignore[arg-type]  # four callers above
