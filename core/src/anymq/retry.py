"""RetryPolicy: what is tried again, how often, and how long after."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from anymq.errors import ConfigError, classify

__all__ = ["OnExhausted", "RetryPolicy"]

OnExhausted = Literal["dead_letter", "stop", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a subscriber's failures are repeated. All times in seconds.

    ``delay_s`` is a pure function of the attempt: showing a delay does not advance it.
    """

    max_attempts: int = 5
    """Calls that may fail, the first included; cancelled calls never count."""
    immediate: int = 0
    """How many failures in a row may be followed without going back to the backend."""
    first_delay_s: float = 1.0
    factor: float = 2.0
    max_delay_s: float = 300.0
    jitter: float = 0.1
    """Lengthens each delay by up to this share of it; never shortens."""
    on: tuple[type[BaseException], ...] = ()
    """What is retried; everything else is dead-lettered at once. Empty: all that is transient."""
    on_exhausted: OnExhausted = "dead_letter"

    def __post_init__(self) -> None:
        _require(self.max_attempts >= 1, "max_attempts", "at least 1", self.max_attempts)
        _require(self.immediate >= 0, "immediate", "0 or more", self.immediate)
        _require(self.first_delay_s >= 0, "first_delay_s", "0 or more", self.first_delay_s)
        _require(self.factor >= 1, "factor", "at least 1", self.factor)
        _require(self.jitter >= 0, "jitter", "0 or more", self.jitter)
        _require(
            self.max_delay_s >= self.first_delay_s,
            "max_delay_s",
            f"at least first_delay_s ({self.first_delay_s})",
            self.max_delay_s,
        )
        kinds: Any = self.on  # what is typed can still be passed wrongly
        are_errors = isinstance(kinds, tuple) and all(
            isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds
        )
        _require(are_errors, "on", "a tuple of exception classes", self.on)
        known = ("dead_letter", "stop", "drop")
        _require(self.on_exhausted in known, "on_exhausted", f"one of {known}", self.on_exhausted)

    def retries(self, error: BaseException) -> bool:
        """Whether this error is worth another attempt."""
        if self.on:
            return isinstance(error, self.on)
        return classify(error) == "transient"

    def is_exhausted(self, attempt: int) -> bool:
        """Whether the failure of this attempt (1, 2, …) was the last."""
        return attempt >= self.max_attempts

    def is_immediate(self, in_process_failures: int) -> bool:
        """Whether the n-th failure in a row in this process is followed at once."""
        return in_process_failures <= self.immediate

    def base_delay_s(self, attempt: int) -> float:
        """The delay after the failure of this attempt, before jitter."""
        step = (attempt - 1) // (self.immediate + 1)
        try:
            return min(self.first_delay_s * self.factor**step, self.max_delay_s)
        except OverflowError:
            return self.max_delay_s

    def delay_s(self, attempt: int) -> float:
        """The delay after the failure of this attempt; at least the base, at most the maximum."""
        base = self.base_delay_s(attempt)
        # Spreads retries in time; nothing secret depends on it.
        longer = base * (1 + self.jitter * random.random())  # noqa: S311
        return max(base, min(longer, self.max_delay_s))


def _require(holds: bool, name: str, wanted: str, got: object) -> None:
    if not holds:
        raise ConfigError(f"RetryPolicy({name}={got!r}): {name} must be {wanted}")
