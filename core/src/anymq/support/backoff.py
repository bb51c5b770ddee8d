"""Delays that grow: for reconnecting and repeating."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Exponential delays with a cap and jitter; ``reset`` after a success."""

    __slots__ = ("_count", "_factor", "_first_s", "_jitter", "_max_s")

    def __init__(
        self, *, first_s: float = 0.1, factor: float = 2.0, max_s: float = 30.0, jitter: float = 0.2
    ) -> None:
        self._first_s = first_s
        self._factor = factor
        self._max_s = max_s
        self._jitter = jitter
        self._count = 0

    @property
    def attempts(self) -> int:
        """How many delays were given since the last reset."""
        return self._count

    def next_s(self) -> float:
        """The next delay, in seconds; jitter shortens it by up to its share, never lengthens."""
        # The exponent is bounded so that an outage of days does not overflow a float.
        base = min(self._max_s, self._first_s * self._factor ** min(self._count, 64))
        self._count += 1
        # Spreads reconnects in time; nothing secret depends on it.
        return base * (1 - self._jitter * random.random())  # noqa: S311

    def reset(self) -> None:
        """Begin again with the first delay."""
        self._count = 0
