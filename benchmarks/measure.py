"""Interleaved rounds: every candidate once per round, so that a noisy minute hits all of them."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

__all__ = ["Candidate", "Figure", "Sample", "Seen", "interleave"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a candidate."""

    rate: float
    """Messages per second."""
    cpu_us: float | None = None
    """Microseconds of the client's processor time per message."""
    memory_mb: float | None = None
    """The most that the client's process had."""


Candidate = Callable[[int], Awaitable[float | Sample]]
"""Handles so many messages; returns messages per second."""
Seen = Callable[[str, float | None], object]
"""Told of each run: the candidate's name and its rate, or None when it begins."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One candidate's rates over all rounds, and its ratio to the baseline's median."""

    name: str
    median: float
    lowest: float
    highest: float
    ratio: float
    cpu_us: float | None = None
    """The median, where it was measured."""
    memory_mb: float | None = None

    @property
    def microseconds(self) -> float:
        """Per message, of the median."""
        return 1e6 / self.median


async def interleave(
    candidates: Mapping[str, Candidate],
    *,
    baseline: str,
    messages: int,
    rounds: int,
    seen: Seen = lambda _name, _rate: None,
) -> list[Figure]:
    """Measure all, after one round that does not count (caches, imports, allocator)."""
    samples: dict[str, list[Sample]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, candidate in candidates.items():
            seen(name, None)
            result = await candidate(messages if number else messages // 10)
            sample = result if isinstance(result, Sample) else Sample(result)
            seen(name, sample.rate)
            if number:
                samples[name].append(sample)
    base = statistics.median(sample.rate for sample in samples[baseline])
    return [_figure(name, runs, base) for name, runs in samples.items()]


def _figure(name: str, runs: list[Sample], base: float) -> Figure:
    rates = [run.rate for run in runs]
    median = statistics.median(rates)
    return Figure(
        name,
        median,
        min(rates),
        max(rates),
        median / base,
        cpu_us=_median([run.cpu_us for run in runs]),
        memory_mb=_median([run.memory_mb for run in runs]),
    )


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
