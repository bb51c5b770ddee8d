"""The latencies of a suite: rounds of the raw client and ours, one after the other."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.measure import Seen
from benchmarks.suite import LatencySuite

__all__ = ["Latency", "latencies"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians over the rounds, milliseconds."""

    name: str
    p50: float
    p99: float
    p50_limit: float | None = None
    p99_limit: float | None = None

    @property
    def is_missed(self) -> bool:
        """Whether it is above a limit."""
        return self.p50 > (self.p50_limit or self.p50) or self.p99 > (self.p99_limit or self.p99)


async def latencies(suite: LatencySuite, *, rounds: int, seen: Seen) -> list[Latency]:
    """Measure both; the median of each percentile."""
    runs: dict[str, list[Mapping[str, float]]] = {"raw": [], "ours": []}
    for _ in range(rounds):
        for name, candidate in (("raw", suite.raw), ("ours", suite.ours)):
            seen(name, None)
            found = await candidate(suite.messages, suite.per_second)
            seen(name, found["p50"])
            runs[name].append(found)
    raw, ours = (_medians(runs[name]) for name in ("raw", "ours"))
    limits = suite.limits(raw)
    return [
        Latency("raw", raw["p50"], raw["p99"]),
        Latency("ours", ours["p50"], ours["p99"], limits["p50"], limits["p99"]),
    ]


def _medians(runs: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in ("p50", "p99")}
