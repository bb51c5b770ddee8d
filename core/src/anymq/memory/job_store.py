"""The JobStore in a space of this process: the reference, gone with the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from anymq.abc import BackendContext, JobRecord, JobStore
from anymq.errors import ClosedError
from anymq.memory.jobs import JobTable
from anymq.memory.options import MemoryOptions
from anymq.memory.space import Waiter, space_named

__all__ = ["MemoryJobStore"]

T = TypeVar("T")


class MemoryJobStore(JobStore):
    """Apps of one process that name the same space share its jobs."""

    def __init__(self, options: MemoryOptions, context: BackendContext) -> None:
        self._space = space_named(context.physical(options.space))
        self._clock = context.clock
        self._is_closed = False

    async def open(self) -> None:
        self._space.check_up()

    async def create(self, records: Sequence[JobRecord]) -> Sequence[bool]:
        now = self._clock.time()
        return self._locked(lambda jobs: [jobs.create(record, now) for record in records])

    async def get(self, ids: Sequence[str]) -> Sequence[JobRecord | None]:
        now = self._clock.time()
        return self._locked(lambda jobs: [jobs.get(job_id, now) for job_id in ids])

    async def replace(self, record: JobRecord, *, expected_version: int) -> bool:
        now = self._clock.time()
        return self._locked(lambda jobs: jobs.replace(record, expected_version, now))

    async def claim_tick(self, schedule: str, tick: str, *, ttl_s: float) -> bool:
        now = self._clock.time()
        return self._locked(lambda jobs: jobs.claim(schedule, tick, now + ttl_s, now))

    async def changed(self, ids: Sequence[str], *, wait_s: float) -> Sequence[str]:
        waiter, found = Waiter(), list[str]()

        def wake(job_id: str) -> None:
            found.append(job_id)
            waiter.wake()

        self._locked(lambda jobs: jobs.listen(ids, wake))
        timer = self._clock.call_later(wait_s, waiter.wake)
        try:
            await waiter.future
        finally:
            timer.cancel()
            with self._space.lock:
                self._space.jobs.forget(ids, wake)
        return list(dict.fromkeys(found))

    async def aclose(self, *, timeout_s: float) -> None:
        self._is_closed = True

    def _locked(self, work: Callable[[JobTable], T]) -> T:
        if self._is_closed:
            raise ClosedError("this job store is closed")
        self._space.check_up()
        with self._space.lock:
            return work(self._space.jobs)
