"""Ledger: the life of a job in its JobStore, every step compared and set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from anymq.abc.job_store import TERMINAL_STATES, JobRecord, JobState, JobStore
from anymq.errors import BackendUnavailable
from anymq.message import Delivery
from anymq.support.clock import Clock
from anymq.tasks.batcher import Batcher, Spawn
from anymq.tasks.facts import JobFacts, facts_of

__all__ = ["Entry", "Ledger"]

TRIES = 20
"""How often a step is tried anew because somebody else changed the record in between."""


class Entry:
    """A job that runs here: its record as this worker last wrote it."""

    __slots__ = ("facts", "record")

    def __init__(self, record: JobRecord, facts: JobFacts) -> None:
        self.record = record
        self.facts = facts


class Ledger:
    """Several workers and clients may take steps at once; of terminal states the first stays."""

    def __init__(self, store: JobStore, clock: Clock, spawn: Spawn, *, keep_s: float) -> None:
        self.store = store
        self._clock = clock
        self._keep_s = keep_s
        self.create: Batcher[JobRecord, bool] = Batcher(store.create, spawn)
        """``await create(record)``: whether the job is new."""
        self.get: Batcher[str, JobRecord | None] = Batcher(store.get, spawn)

    def queued(self, job_id: str, facts: JobFacts, payload: bytes | None = None) -> JobRecord:
        """A new job's record. ``payload``: the job itself, where it may be sent again."""
        return JobRecord(job_id, "queued", 1, result=payload, progress=facts.pack())

    async def begin(
        self, job_id: str, delivery: Delivery, facts: JobFacts
    ) -> tuple[JobRecord, Entry | None]:
        """Note that a worker begins. Without an Entry it must not: ended, or bound elsewhere."""
        facts.started_at, facts.message = self._clock.time(), delivery.id
        if delivery.attempt == 1 and not delivery.redelivered:
            first = JobRecord(job_id, "running", 2, progress=facts.pack())
            if await self.store.replace(first, expected_version=1):
                return first, Entry(first, facts)
        for _ in range(TRIES):
            found = await self.get(job_id)
            if found is None:  # a foreign client's job, or one whose record is gone
                first = JobRecord(job_id, "running", 1, progress=facts.pack())
                if await self.create(first):
                    return first, Entry(first, facts)
                continue
            known = facts_of(found)
            is_bound = known.message not in (None, delivery.id)
            if found.state in TERMINAL_STATES or is_bound:
                return found, None
            facts.progress = known.progress
            facts.digest = known.digest
            begun = JobRecord(job_id, "running", found.version + 1, progress=facts.pack())
            if await self.store.replace(begun, expected_version=found.version):
                return begun, Entry(begun, facts)
        raise _contended(job_id)

    async def finish(
        self,
        record: JobRecord,
        state: JobState,
        *,
        result: bytes | None = None,
        error: bytes | None = None,
        keep_s: float | None = None,
    ) -> tuple[JobRecord, bool]:
        """Set a terminal state, unless there is one; the record as it is now, and who won."""
        for _ in range(TRIES):
            facts, now = facts_of(record), self._clock.time()
            facts.ended_at = now
            ended = JobRecord(
                record.id,
                state,
                record.version + 1,
                result,
                error,
                facts.pack(),
                now + max(self._keep_s, keep_s or 0.0),
            )
            if await self.store.replace(ended, expected_version=record.version):
                return ended, True
            found = await self.get(record.id)
            if found is None or found.state in TERMINAL_STATES:
                return found or ended, False
            record = found
        raise _contended(record.id)

    async def requeue(self, entry: Entry) -> None:
        """The call failed or was given back, and there will be another one."""
        record = entry.record
        queued = replace(record, state="queued", version=record.version + 1)
        if await self.store.replace(queued, expected_version=record.version):
            entry.record = queued

    async def report(self, entry: Entry, value: bytes) -> None:
        """Keep what the task reported; nothing if the job is no longer ours."""
        entry.facts.progress = msgspec.Raw(value)
        record = entry.record
        changed = replace(record, version=record.version + 1, progress=entry.facts.pack())
        if await self.store.replace(changed, expected_version=record.version):
            entry.record = changed

    async def revoke(self, job_id: str) -> bool | None:
        """True: it certainly will not run. False: it runs or has ended. None: unknown."""
        for _ in range(TRIES):
            found = await self.get(job_id)
            if found is None:
                return None
            if found.state in TERMINAL_STATES:
                return found.state == "revoked" and facts_of(found).started_at is None
            ended, is_ours = await self.finish(found, "revoked")
            if is_ours:
                return found.state == "queued" and ended.state == "revoked"
        raise _contended(job_id)

    async def bind(self, record: JobRecord, message: str, due_at: float | None) -> bool:
        """Have only this message run a job that has not begun."""
        facts = facts_of(record)
        facts.message, facts.due_at = message, due_at
        bound = replace(record, version=record.version + 1, progress=facts.pack())
        return await self.store.replace(bound, expected_version=record.version)

    async def get_many(self, ids: Sequence[str]) -> list[JobRecord | None]:
        """The records in order."""
        found: list[Any] = []
        for start in range(0, len(ids), 500):
            found += await self.store.get(ids[start : start + 500])
        return found


def _contended(job_id: str) -> BackendUnavailable:
    return BackendUnavailable(f"job {job_id!r} is changed by too many at once: try again")
