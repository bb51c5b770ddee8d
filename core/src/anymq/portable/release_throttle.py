"""Keeps ``Release`` from becoming a hot loop: who gives a message back again and again, waits."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["ReleaseThrottle"]

FIRST_S = 0.05
MAX_S = 1.0
REMEMBERED = 10_000
"""Messages remembered, so that memory stays bounded; the oldest is forgotten first."""


class ReleaseThrottle:
    """How long the n-th release of a message waits: 0, 0.05, 0.1, … up to a second."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def delay_s(self, message_id: str) -> float:
        """Count one more release of a message; the seconds before it is carried out."""
        count = self._counts.pop(message_id, 0)
        self._counts[message_id] = count + 1
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return 0.0 if count == 0 else min(FIRST_S * 2.0 ** min(count - 1, 10), MAX_S)

    def forget(self, message_id: str) -> None:
        """The message was settled otherwise."""
        self._counts.pop(message_id, None)
