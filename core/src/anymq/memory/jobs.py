"""The table of jobs of one space. Whoever uses it holds the space's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from anymq.abc.job_store import TERMINAL_STATES, JobRecord

__all__ = ["JobTable"]

Wake = Callable[[str], None]

PRUNE_EVERY = 1000
"""Changes between two looks for what has expired."""


class JobTable:
    """Records by id, ticks by schedule, and who is told of a change."""

    def __init__(self) -> None:
        self._records: dict[str, JobRecord] = {}
        self._ticks: dict[tuple[str, str], float] = {}
        self._listeners: dict[str, list[Wake]] = {}
        self._changes = 0

    def get(self, job_id: str, now: float) -> JobRecord | None:
        """The record, unless it has expired."""
        record = self._records.get(job_id)
        if record is None or record.expires_at is None or record.expires_at > now:
            return record
        del self._records[job_id]
        return None

    def create(self, record: JobRecord, now: float) -> bool:
        """Store a new job; False if there is one."""
        if self.get(record.id, now) is not None:
            return False
        self._store(record, now)
        return True

    def replace(self, record: JobRecord, expected_version: int, now: float) -> bool:
        """Compare and set; a terminal state stays."""
        found = self.get(record.id, now)
        if found is None or found.version != expected_version or found.state in TERMINAL_STATES:
            return False
        self._store(record, now)
        return True

    def claim(self, schedule: str, tick: str, until: float, now: float) -> bool:
        """True for the first who asks."""
        if self._ticks.get((schedule, tick), 0.0) > now:
            return False
        self._ticks[schedule, tick] = until
        return True

    def listen(self, ids: Iterable[str], wake: Wake) -> None:
        """Have ``wake(id)`` called for each change of these jobs."""
        for job_id in ids:
            self._listeners.setdefault(job_id, []).append(wake)

    def forget(self, ids: Iterable[str], wake: Wake) -> None:
        """End that."""
        for job_id in ids:
            listeners = self._listeners.get(job_id, [])
            if wake in listeners:
                listeners.remove(wake)
            if not listeners:
                self._listeners.pop(job_id, None)

    def _store(self, record: JobRecord, now: float) -> None:
        self._records[record.id] = record
        for wake in self._listeners.get(record.id, ()):
            wake(record.id)
        self._changes += 1
        if self._changes % PRUNE_EVERY == 0:
            self._prune(now)

    def _prune(self, now: float) -> None:
        for job_id in _expired(tuple(self._records.values()), now):
            del self._records[job_id]
        for key in [key for key, until in self._ticks.items() if until <= now]:
            del self._ticks[key]


def _expired(records: Sequence[JobRecord], now: float) -> list[str]:
    return [r.id for r in records if r.expires_at is not None and r.expires_at <= now]
