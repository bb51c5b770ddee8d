"""CrashGuard: a message that kills its process is found, without charging its neighbours.

A message whose ``delivery_count`` reached ``max_deliveries`` is set aside as a private copy marked
``anymq-alone``. A marked copy is started only while the process holds nothing else of the group;
when it came back from three such starts, it alone is the culprit: ``crash_loop``.
"""

from __future__ import annotations

from dataclasses import replace

from anymq.message import Delivery, Message

__all__ = ["ALONE", "RETURNS", "CrashGuard", "alone_copy"]

ALONE = "anymq-alone"
RETURNS = 3


class CrashGuard:
    """Which delivery runs alone, if one does."""

    def __init__(self, max_deliveries: int, is_named: bool) -> None:
        self._max_deliveries = max_deliveries
        self._is_named = is_named
        self.alone: Delivery | None = None
        self._has_started = False

    @property
    def waiting(self) -> Delivery | None:
        """The lone delivery while it has not started."""
        return None if self._has_started else self.alone

    def is_suspect(self, delivery: Delivery) -> bool:
        """Delivered so often that it may be what kills processes."""
        count = delivery.delivery_count
        return count is not None and count >= self._max_deliveries and self._is_named

    def is_alone(self, delivery: Delivery) -> bool:
        """A copy that was set aside."""
        return ALONE in delivery.message.meta

    def is_crash_loop(self, delivery: Delivery) -> bool:
        """Came back from so many lone starts that it is the culprit."""
        return (delivery.delivery_count or 1) > RETURNS

    def may_start(self, held: int) -> bool:
        """Whether the lone delivery can start now: we hold nothing but it."""
        return self.alone is not None and held == 1 and not self._has_started

    def started(self) -> Delivery:
        """The lone delivery, which starts now."""
        if self.alone is None:
            raise LookupError("no delivery runs alone")
        self._has_started = True
        return self.alone

    def ends_with(self, delivery: Delivery) -> bool:
        """Whether this was the lone delivery; if so, others may come again."""
        if self.alone is None or delivery.token != self.alone.token:
            return False
        self.alone = None
        self._has_started = False
        return True


def alone_copy(message: Message) -> Message:
    """The private copy that is set aside; its attempt is not raised: nobody failed."""
    return replace(message, meta={**message.meta, ALONE: "1"})
