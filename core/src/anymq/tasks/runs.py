"""Runs: the jobs that run in this worker, and how one of them is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anymq.errors import AnyMQError
from anymq.tasks.current import CurrentJob
from anymq.tasks.signature import JSON

if TYPE_CHECKING:
    from anymq.tasks.batcher import Spawn
    from anymq.tasks.ledger import Entry, Ledger

__all__ = ["Run", "Runs"]


class Run:
    """One job while its task runs."""

    __slots__ = ("current", "entry", "is_revoked", "is_writing", "pending", "scope")

    def __init__(self, current: CurrentJob, entry: Entry) -> None:
        self.current = current
        self.entry = entry
        self.scope: asyncio.Timeout | None = None
        self.is_revoked = False
        self.pending: bytes | None = None
        """What was reported and is not stored yet; only the last counts."""
        self.is_writing = False

    def revoke(self) -> None:
        """Cancel the task."""
        self.is_revoked = self.current.is_ended = True
        if self.scope is not None and not self.scope.expired():
            self.scope.reschedule(asyncio.get_running_loop().time())


class Runs:
    """By job id."""

    def __init__(self, ledger: Ledger, spawn: Spawn) -> None:
        self._ledger = ledger
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._by_id: dict[str, Run] = {}

    def begin(self, current: CurrentJob, entry: Entry) -> Run:
        """A job begins to run here."""
        run = Run(current, entry)
        current._report = lambda value: self._reported(run, value)
        self._by_id[current.id] = run
        return run

    def end(self, run: Run) -> None:
        """It does not any more."""
        run.current.is_ended = True
        run.pending = None
        if self._by_id.get(run.current.id) is run:
            del self._by_id[run.current.id]

    def revoke(self, ids: Iterable[str]) -> None:
        """Stop those that run here."""
        for job_id in ids:
            run = self._by_id.get(job_id)
            if run is not None:
                run.revoke()

    async def check(self) -> None:
        """Stop those that the store says are over: an order to revoke may have been lost."""
        ids = list(self._by_id)
        if not ids:
            return
        with suppress(AnyMQError):  # the next look will tell
            records = await self._ledger.get_many(ids)
            self.revoke(r.id for r in records if r is not None and r.state == "revoked")

    def _reported(self, run: Run, value: Any) -> None:
        """From any thread. Raises PublishRejected for what JSON cannot carry."""
        encoded = JSON.encode(value)
        self._loop.call_soon_threadsafe(self._keep, run, encoded)

    def _keep(self, run: Run, value: bytes) -> None:
        if run.current.is_ended:
            return
        run.pending = value
        if not run.is_writing:
            run.is_writing = True
            self._spawn(self._write(run))

    async def _write(self, run: Run) -> None:
        try:
            while (value := run.pending) is not None:
                run.pending = None
                with suppress(AnyMQError):  # progress is a courtesy: the job goes on
                    await self._ledger.report(run.entry, value)
        finally:
            run.is_writing = False
