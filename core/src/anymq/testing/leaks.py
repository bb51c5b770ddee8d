"""What a check must not leave behind: tasks, threads, file descriptors, consumers."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from anymq.testing.harness import Harness

__all__ = ["Footprint", "check_footprint", "footprint"]

LIMIT_S = 3.0
SLACK = 2
"""File descriptors that a client library may keep (a resolver's socket, an epoll)."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Counts at one moment."""

    tasks: int
    threads: int
    descriptors: int
    backend: Mapping[str, int]


async def footprint(harness: Harness) -> Footprint:
    """Count what is there now."""
    return Footprint(
        len(asyncio.all_tasks()),
        threading.active_count(),
        _descriptors(),
        dict(await harness.inspect()),
    )


def _descriptors() -> int:
    """Open file descriptors; 0 where the system does not tell."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


async def check_footprint(before: Footprint, harness: Harness, orphans: int = 0) -> str:
    """Wait until everything is back to what it was; what is left, or "" for nothing.

    ``orphans``: so many private groups of dead processes may stay.
    """
    until = time.monotonic() + LIMIT_S * harness.timings.scale
    is_collected = False
    while True:
        left = _left(before, await footprint(harness), orphans)
        if not left or (time.monotonic() > until and is_collected):
            return left
        await asyncio.sleep(0.02)
        if time.monotonic() > until - LIMIT_S / 2 and not is_collected:
            # What only a cycle keeps is no leak; but a collection costs as much as the heap is
            # large, so it runs only where something seems to be left for good.
            gc.collect()
            is_collected = True


def _left(before: Footprint, after: Footprint, orphans: int) -> str:
    left = []
    if after.tasks > before.tasks:
        names = sorted(task.get_coro().__qualname__ for task in asyncio.all_tasks())  # type: ignore[union-attr]
        left.append(f"{after.tasks - before.tasks} task(s) of {names}")
    if after.threads > before.threads:
        names = sorted(thread.name for thread in threading.enumerate())
        left.append(f"{after.threads - before.threads} thread(s) of {names}")
    if after.descriptors > before.descriptors + SLACK:
        left.append(f"{after.descriptors - before.descriptors} file descriptor(s)")
    for name, count in after.backend.items():
        allowed = before.backend.get(name, 0) + (orphans if name == "anonymous" else 0)
        if count > allowed:
            left.append(f"{count - allowed} {name}")
    return ", ".join(left)
