"""Interleaved rounds: every candidate once per round, so that a noisy minute hits all of them."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

__all__ = ["Figure", "interleave"]

Candidate = Callable[[int], Awaitable[float]]
"""Handles so many messages; returns messages per second."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One candidate's rates over all rounds, and its ratio to the baseline's median."""

    name: str
    median: float
    lowest: float
    highest: float
    ratio: float

    @property
    def microseconds(self) -> float:
        """Per message, of the median."""
        return 1e6 / self.median


async def interleave(
    candidates: Mapping[str, Candidate], *, baseline: str, messages: int, rounds: int
) -> list[Figure]:
    """Measure all, after one round that does not count (caches, imports, allocator)."""
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, candidate in candidates.items():
            rate = await candidate(messages if number else messages // 10)
            if number:
                rates[name].append(rate)
    base = statistics.median(rates[baseline])
    return [
        Figure(name, statistics.median(seen), min(seen), max(seen), statistics.median(seen) / base)
        for name, seen in rates.items()
    ]
