"""TaskClient: submits jobs, waits for them, and changes their fate. One per running App."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from anymq.abc.job_store import JobRecord
from anymq.errors import (
    AnyMQError,
    BackendUnavailable,
    InvalidState,
    JobTimeout,
    PublishRejected,
    PublishUnknown,
)
from anymq.support.ids import new_id
from anymq.tasks.current import CURRENT
from anymq.tasks.envelope import JobEnvelope, Order, pack, read_job
from anymq.tasks.facts import JobFacts, digest_of, facts_of
from anymq.tasks.options import Submission, due_from
from anymq.tasks.queues import CONTROL_TOPIC, queue_topic

if TYPE_CHECKING:
    from datetime import datetime

    import msgspec

    from anymq.portable.outbound import Outbound
    from anymq.support.clock import Clock
    from anymq.tasks.envelope import Link
    from anymq.tasks.inbox import Inbox
    from anymq.tasks.ledger import Ledger
    from anymq.tasks.waiting import Ticket, Waiting

__all__ = ["TaskClient"]

AGAIN_S = 0.2
"""After a store that did not answer."""


class TaskClient:
    """Nothing here blocks the loop, and a job that is waited for costs no thread."""

    def __init__(
        self, outbound: Outbound, ledger: Ledger, waiting: Waiting, inbox: Inbox, clock: Clock
    ) -> None:
        self._outbound = outbound
        self._ledger = ledger
        self._waiting = waiting
        self._inbox = inbox
        self._clock = clock

    async def submit(
        self,
        task: str,
        arguments: Mapping[str, msgspec.Raw],
        given: Submission,
        *,
        then: Sequence[Link] = (),
    ) -> tuple[Ticket, bool]:
        """The job's ticket, and whether it is new.

        Raises PublishRejected (code ``exists`` where it must not), PublishUnknown.
        """
        now, job_id = self._clock.time(), given.new_id()
        expires_at = None if given.expires_s is None else now + given.expires_s
        job = JobEnvelope(
            task,
            dict(arguments),
            expires_at=expires_at,
            keep_result=given.keep_result,
            then=list(then),
        )
        body = pack(job)
        due = due_from(given.delay_s, given.eta, now)
        facts = JobFacts(
            task,
            given.queue,
            digest_of(body) if given.job_id is not None else "",
            submitted_at=now,
            due_at=due,
            keep_result=given.keep_result,
        )
        if given.keep_result:
            await self._inbox.open()
        record = self._ledger.queued(job_id, facts, None if due is None else body)
        if not await self._create(record, given.timeout_s):
            await self._exists(job_id, body, given, facts)
            return self.ticket(job_id), False
        ticket = self._waiting.ticket(job_id, is_ours=given.keep_result and not then)
        await self._send(job_id, body, given)
        return ticket, True

    async def links_created(self, links: Sequence[Link]) -> None:
        """Make the records of a chain's later jobs."""
        now = self._clock.time()
        for link in links:
            facts = JobFacts(link.task, link.queue, submitted_at=now, keep_result=link.keep_result)
            await self._ledger.create(self._ledger.queued(link.job, facts))

    async def record(self, job_id: str) -> JobRecord | None:
        """What the store knows."""
        return await self._ledger.get(job_id)

    def ticket(self, job_id: str, *, is_ours: bool = False) -> Ticket:
        """What this process knows of the end of a job."""
        return self._waiting.ticket(job_id, is_ours=is_ours)

    async def wait(self, ticket: Ticket, timeout_s: float | None) -> JobRecord:
        """The record of the job's end. Raises JobTimeout; the job is not affected."""
        if ticket.record is not None:
            return ticket.record
        try:
            async with asyncio.timeout(timeout_s):
                return await self._waiting.wait(ticket)
        except TimeoutError:
            raise JobTimeout(f"job {ticket.job_id!r} has not ended in {timeout_s} s") from None

    async def revoke(self, job_id: str) -> bool:
        """Whether it certainly will not run; one that runs is told to stop."""
        is_certain = await self._ledger.revoke(job_id)
        if is_certain is None:
            raise InvalidState(f"job {job_id!r} is unknown: never submitted, or forgotten by now")
        if not is_certain:
            await self._outbound.send_one(CONTROL_TOPIC, pack(Order([job_id])), 10.0, {})
        self._waiting.look_now()
        return is_certain

    async def reschedule(
        self, job_id: str, *, delay_s: float | None, eta: datetime | None, body: bytes | None
    ) -> bool:
        """Have a job that has not begun run at another time. False if it has begun or ended."""
        record = await self._ledger.get(job_id)
        if record is None:
            raise InvalidState(f"job {job_id!r} is unknown: never submitted, or forgotten by now")
        body = record.result if record.state == "queued" and record.result else body
        if body is None:
            raise InvalidState(
                f"job {job_id!r} was not delayed, so only who submitted it can reschedule it"
            )
        facts, now = facts_of(record), self._clock.time()
        due, message_id = due_from(delay_s, eta, now), new_id()
        # Sent first, bound afterwards: whatever happens in between, one of the two will run.
        await self._outbound.send_one(
            queue_topic(facts.queue),
            self._renamed(body, job_id),
            10.0,
            {
                "message_id": message_id,
                "delay_s": None if due is None else max(0.0, due - now),
                "reply_to": self._inbox.topic,
            },
        )
        while record is not None and record.state == "queued":
            if await self._ledger.bind(record, message_id, due):
                return True
            record = await self._ledger.get(job_id)
        return record is not None and facts_of(record).message == message_id

    async def _send(self, job_id: str, body: bytes, given: Submission) -> None:
        parent = CURRENT.get()
        options = given.message_options(self._clock.time(), message_id=job_id)
        if given.keep_result:
            options["reply_to"] = self._inbox.topic
        if parent is not None:
            options["causation_id"] = parent.id
            options["correlation_id"] = given.correlation_id or parent.correlation_id
        try:
            await self._outbound.send_one(queue_topic(given.queue), body, given.timeout_s, options)
        except PublishUnknown:
            raise  # it may be there: its record stays
        except AnyMQError:
            await self._forget(job_id)
            raise

    async def _forget(self, job_id: str) -> None:
        """The job is certainly nowhere: nobody should wait for it, and its id is free soon."""
        record = await self._ledger.get(job_id)
        if record is not None:
            await self._ledger.finish(record, "revoked")

    async def _create(self, record: JobRecord, timeout_s: float) -> bool:
        """Whether the job is new; a store that does not answer is asked again, in time."""
        until, is_repeated = self._clock.monotonic() + timeout_s, False
        while True:
            try:
                if await self._ledger.create(record):
                    return True
                # What an earlier try of ours stored, without telling, is as new as ever.
                return is_repeated and await self._ledger.get(record.id) == record
            except BackendUnavailable:
                if self._clock.monotonic() > until:
                    raise
            is_repeated = True
            await self._clock.sleep(AGAIN_S)

    async def _exists(self, job_id: str, body: bytes, given: Submission, facts: JobFacts) -> None:
        if given.if_exists == "reject":
            raise PublishRejected("exists", f"there is a job {job_id!r} already")
        found = await self._ledger.get(job_id)
        if found is None or found.state != "queued":
            return
        known = facts_of(found)
        age_s = self._clock.time() - (known.submitted_at or 0.0)
        is_same = known.message is None and known.digest == facts.digest
        if is_same and age_s >= given.lost_after_s:
            await self._send_again(job_id, body, given, known)

    async def _send_again(
        self, job_id: str, body: bytes, given: Submission, known: JobFacts
    ) -> None:
        """Whoever submitted it may have died in between; a second message does no harm."""
        options = given.message_options(self._clock.time(), message_id=new_id())
        if given.keep_result:
            options["reply_to"] = self._inbox.topic
        renamed = self._renamed(body, job_id)
        await self._outbound.send_one(queue_topic(known.queue), renamed, given.timeout_s, options)

    def _renamed(self, body: bytes, job_id: str) -> bytes:
        job = read_job(body)
        job.job = job_id
        return pack(job)
