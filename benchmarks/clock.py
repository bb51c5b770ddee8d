"""Time and processor time of a loop over so many messages; moments that two processes share."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.body import BODY

__all__ = ["Stopwatch", "percentiles", "stamped", "waited_ms"]

SKIPPED = 0.1
"""The share of the latencies that do not count: the first ones."""


class Stopwatch:
    """Started when made; ``result`` tells what a child process reports."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._cpu = time.process_time()

    def result(self, messages: int) -> dict[str, float]:
        """Messages per second, and microseconds of this process's processor time for each."""
        return {
            "rate": messages / (time.perf_counter() - self._began),
            "cpu_us": (time.process_time() - self._cpu) / messages * 1e6,
        }


def stamped() -> dict[str, Any]:
    """The body, of the same 256 bytes, with this moment in place of its id."""
    now = time.monotonic_ns()
    note = BODY["note"]
    return {**BODY, "id": now, "note": note[len(str(now)) - len(str(BODY["id"])) :]}


def waited_ms(body: dict[str, Any]) -> float:
    """How long ago a body was stamped, by any process of this machine."""
    return (time.monotonic_ns() - int(body["id"])) / 1e6


def percentiles(waits: list[float]) -> dict[str, float]:
    """The median and the 99th percentile, in milliseconds."""
    counted = sorted(waits[int(len(waits) * SKIPPED) :])
    return {"p50": counted[len(counted) // 2], "p99": counted[int(len(counted) * 0.99)]}
