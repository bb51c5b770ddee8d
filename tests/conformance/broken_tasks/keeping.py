"""Stores that keep jobs badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anymq.abc import JobRecord
from anymq.memory.job_store import MemoryJobStore
from tests.conformance.broken_tasks.lie import lie

__all__ = [
    "ComparesNothing",
    "ForgetsErrors",
    "ForgetsResults",
    "KnowsNoIds",
    "TellsTooSoon",
]


@lie("compares-nothing", "replaces whatever is there, ended or not", "TSK-11", "ACK-09")
class ComparesNothing(MemoryJobStore):
    """Compare-and-set that only sets."""

    async def replace(self, record: JobRecord, *, expected_version: int) -> bool:
        with self._space.lock:
            self._space.jobs._store(record, self._clock.time())
        return True


@lie("knows-no-ids", "every job is new, whatever its id", "TSK-13")
class KnowsNoIds(MemoryJobStore):
    """Stores again what is there."""

    async def create(self, records: Sequence[JobRecord]) -> Sequence[bool]:
        with self._space.lock:
            for record in records:
                self._space.jobs._store(record, self._clock.time())
        return [True] * len(records)


@lie("forgets-results", "keeps states without results", "TSK-02")
class ForgetsResults(MemoryJobStore):
    """Whoever asks the store gets none."""

    async def get(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        return [r and replace(r, result=None) for r in await super().get(ids)]


@lie("forgets-errors", "keeps failed jobs without their error", "TSK-03")
class ForgetsErrors(MemoryJobStore):
    """Whoever asks the store gets none."""

    async def get(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        return [r and replace(r, error=None) for r in await super().get(ids)]


@lie("tells-too-soon", "calls a job that runs succeeded", "TSK-04")
class TellsTooSoon(MemoryJobStore):
    """The state runs ahead."""

    async def get(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        found = await super().get(ids)
        return [
            replace(r, state="succeeded") if r is not None and r.state == "running" else r
            for r in found
        ]
