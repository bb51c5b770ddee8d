"""What a suite is: candidates beside a baseline, and goals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.measure import Candidate, Figure

__all__ = ["LatencySuite", "Suite"]


@dataclass(frozen=True, slots=True)
class Suite:
    """Candidates that are measured in one run, as messages per second."""

    baseline: str
    candidates: Mapping[str, Candidate]
    goals: Mapping[str, float] = field(default_factory=dict)
    """The least ratios to the baseline."""
    beats: Mapping[str, float] = field(default_factory=dict)
    """How many times a candidate's rate ``ours`` must at least have."""
    ours: str = ""
    messages: int | None = None
    """How many in each run, unless the command says; None: as many as it does by default."""

    def missed(self, figure: Figure, figures: list[Figure]) -> bool:
        """Whether a candidate did not reach its goal, or is not beaten as it should be."""
        if figure.name in self.beats:
            return self.times(figure, figures) < self.beats[figure.name]
        return figure.ratio < self.goals.get(figure.name, 0.0)

    def times(self, figure: Figure, figures: list[Figure]) -> float:
        """How many times a candidate's rate ours is."""
        ours = next(each for each in figures if each.name == self.ours)
        return ours.median / figure.median


@dataclass(frozen=True, slots=True)
class LatencySuite:
    """The time from publishing to the handler, of the raw client and of ours."""

    raw: Callable[[int, float], Awaitable[dict[str, float]]]
    ours: Callable[[int, float], Awaitable[dict[str, float]]]
    messages: int = 1500
    per_second: float = 500.0
    median_ms: float = 0.25
    """How much later the median of ours may be."""
    tail_times: float = 1.5
    """How many times the raw client's 99th percentile ours may be, and"""
    tail_ms: float = 1.0
    """so much more."""

    def limits(self, raw: Mapping[str, float]) -> dict[str, float]:
        """The most that ours may take, by the raw client's percentiles."""
        return {
            "p50": raw["p50"] + self.median_ms,
            "p99": raw["p99"] * self.tail_times + self.tail_ms,
        }
