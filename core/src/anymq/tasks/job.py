"""Job: the handle of one submitted job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anymq.abc.job_store import JobRecord, JobState
from anymq.errors import InvalidState, JobFailed
from anymq.tasks.facts import facts_of
from anymq.tasks.failures import job_failed
from anymq.tasks.raw import bytes_of
from anymq.tasks.signature import JSON

if TYPE_CHECKING:
    from anymq.tasks.client import TaskClient
    from anymq.tasks.waiting import Ticket

__all__ = ["Job"]

ResultT = TypeVar("ResultT")
REVOKED, EXPIRED = "revoked", "expired"


class Job(Generic[ResultT]):
    """Cheap, and made anew from its id in any process: ``await task.job(id)``.

    ``is_new`` is False where ``submit`` found a job with the given id.
    """

    __slots__ = ("_body", "_client", "_read", "_ticket", "is_new")

    def __init__(
        self,
        ticket: Ticket,
        client: TaskClient,
        read: Callable[[bytes], Any],
        *,
        is_new: bool = True,
        body: bytes | None = None,
    ) -> None:
        self.is_new = is_new
        self._ticket = ticket
        self._client = client
        self._read = read
        self._body = body

    @property
    def id(self) -> str:
        """The job's id."""
        return self._ticket.job_id

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    async def result(self, timeout_s: float | None = None) -> ResultT:
        """What the task returned. Waits for it, at most ``timeout_s`` seconds.

        Raises: JobFailed (also for a job that was revoked or expired: ``error_type`` says so),
        JobTimeout (the job is not affected), InvalidState where the result was not kept.
        """
        record = await self.wait(timeout_s)
        if record.state == "failed":
            raise job_failed(record.error)
        if record.state in (REVOKED, EXPIRED):
            raise JobFailed(record.state, f"job {self.id!r} was {_TEXT[record.state]}")
        if record.result is None:
            raise InvalidState(f"job {self.id!r} has succeeded, and its result was not kept")
        value: ResultT = self._read(record.result)
        return value

    async def wait(self, timeout_s: float | None = None) -> JobRecord:
        """The record of its end. Raises JobTimeout."""
        return await self._client.wait(self._ticket, timeout_s)

    async def state(self) -> JobState | None:
        """queued, running, succeeded, failed, revoked, expired; None if unknown (or forgotten)."""
        record = await self._client.record(self.id)
        return None if record is None else record.state

    async def progress(self) -> Any:
        """What the task reported last, as plain JSON values; None before it did."""
        record = await self._client.record(self.id)
        value = None if record is None else bytes_of(facts_of(record).progress)
        return None if value is None else JSON.decoder(Any)(value)

    async def revoke(self) -> bool:
        """Prevent it, or stop it where it runs; whether it certainly never begins.

        One that runs is revoked at once as far as its state goes; an async task is cancelled, a
        process ended, a thread told by ``CurrentJob.is_ended``. What has ended stays as it is.
        Raises InvalidState for an unknown job.
        """
        return await self._client.revoke(self.id)

    async def reschedule(
        self, *, delay_s: float | None = None, eta: datetime | None = None
    ) -> bool:
        """Run it at another time. False if it has begun or ended.

        Raises InvalidState for an unknown job, and for one that was not delayed where another
        process submitted it.
        """
        return await self._client.reschedule(self.id, delay_s=delay_s, eta=eta, body=self._body)


_TEXT = {REVOKED: "revoked before it ended", EXPIRED: "not begun before it expired"}
