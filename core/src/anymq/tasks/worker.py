"""Worker: what becomes of one delivery of a job, from its decoding to its Outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from anymq.abc.job_store import JobRecord
from anymq.errors import AnyMQError, BackendUnavailable, DecodeError, classify
from anymq.message import Delivery, Message
from anymq.outcome import ACK, RELEASE, DeadLetter, Outcome, Release, Retry
from anymq.pipeline.failure import REPLAYED
from anymq.retry import RetryPolicy
from anymq.support.clock import Clock
from anymq.support.limits import within
from anymq.tasks.calls import Call
from anymq.tasks.current import CURRENT, CurrentJob
from anymq.tasks.envelope import JobEnvelope, pack, read_job
from anymq.tasks.facts import JobFacts
from anymq.tasks.failures import ErrorData, JobRefused, RemoteError, error_data
from anymq.tasks.ledger import Entry, Ledger
from anymq.tasks.replies import Replies
from anymq.tasks.runs import Run, Runs
from anymq.tasks.spec import TaskSpec

__all__ = ["Assignment", "Worker", "policy_of"]

GIVE_BACK_S = 2.0
KEEP_TRYING_S = 30.0
"""How long a worker tries to store the end of a job before it gives the job back, to run again."""
AGAIN_S = 0.5
ANYTHING = RetryPolicy()
Finish = Callable[[JobRecord], Awaitable[tuple[JobRecord, bool]]]


@dataclass(slots=True, eq=False)
class Assignment:
    """A delivery's job; its ``delivery.value``, for middleware and hooks."""

    job_id: str
    job: JobEnvelope
    spec: TaskSpec
    policy: RetryPolicy


def policy_of(delivery: Delivery) -> RetryPolicy:
    """The task's own retry policy."""
    found = delivery.value
    return found.policy if isinstance(found, Assignment) else ANYTHING


class Worker:
    """Runs jobs. Stateless but for what runs at the moment."""

    def __init__(
        self,
        specs: Mapping[str, TaskSpec],
        calls: Mapping[str, Call],
        ledger: Ledger,
        replies: Replies,
        runs: Runs,
        clock: Clock,
        unwrap: Callable[[Message], Message] | None = None,
    ) -> None:
        self._specs = specs
        self._calls = calls
        self._ledger = ledger
        self._replies = replies
        self._runs = runs
        self._clock = clock
        self._unwrap = unwrap

    async def assign(self, delivery: Delivery) -> Assignment:
        """Read the job. Raises JobRefused, DecodeError (permanent); the job has failed then."""
        message = delivery.message if self._unwrap is None else self._unwrap(delivery.message)
        job = JobEnvelope("")
        try:
            job = read_job(message.body)
            spec = self._specs.get(job.task)
            if spec is None or job.task not in self._calls:
                raise JobRefused("unknown_task", f"no task here is called {job.task!r}")
        except AnyMQError as error:
            await self.fail(_job_id(job, message), job, delivery, error)
            raise
        return Assignment(_job_id(job, message), job, spec, spec.retry)

    async def work(self, delivery: Delivery) -> Outcome:
        """Run the job of ``delivery.value``. Raises what its task raised."""
        given: Assignment = delivery.value
        job, message = given.job, delivery.message
        facts = _facts(given, delivery)
        try:
            record, entry = await self._ledger.begin(given.job_id, delivery, facts)
        except BackendUnavailable:
            return RELEASE  # nobody could know of its end
        if entry is None:
            await self._replies.told(record, job, message)
            return ACK
        if job.expires_at is not None and self._clock.time() >= job.expires_at:
            return await self._end(record, delivery, lambda r: self._ledger.finish(r, "expired"))
        return await self._run(given, entry, delivery)

    async def fail(
        self, job_id: str, job: JobEnvelope, delivery: Delivery, error: Exception
    ) -> None:
        """Note that a job can never run, if there is a job of that id."""
        data = pack(error_data(error))
        found = await self._ledger.get(job_id)
        if found is not None:
            record, _ = await self._ledger.finish(found, "failed", error=data)
            await self._replies.told(record, job, delivery.message)

    async def died(self, delivery: Delivery, reason: str) -> None:
        """Core dead-lettered the job unrun: it kills the processes that run it."""
        try:
            job = read_job(delivery.message.body)
        except DecodeError:
            return
        job_id = _job_id(job, delivery.message)
        await self.fail(job_id, job, delivery, JobRefused(reason, reason))

    async def _run(self, given: Assignment, entry: Entry, delivery: Delivery) -> Outcome:
        current = CurrentJob(
            given.job_id, given.spec.name, delivery.attempt, delivery.correlation_id
        )
        run = self._runs.begin(current, entry)
        before = CURRENT.set(current)
        is_over = False
        try:
            outcome = await self._attempt(given, run, delivery)
            is_over = True
        except Exception:
            is_over = True
            raise
        finally:
            CURRENT.reset(before)
            self._runs.end(run)
            if not is_over:  # cancelled: not a failure, and somebody else will have it
                async with within(GIVE_BACK_S):
                    await self._ledger.requeue(entry)
        return outcome

    async def _attempt(self, given: Assignment, run: Run, delivery: Delivery) -> Outcome:
        call = self._calls[given.spec.name]
        try:
            try:
                async with asyncio.timeout(given.spec.time_limit_s) as run.scope:
                    result = await call(given.job, run.current, delivery)
            except TimeoutError:
                if run.is_revoked:
                    return await self._revoked(run, delivery)
                if run.scope is None or not run.scope.expired():
                    raise
                raise TimeoutError(f"over its time limit of {given.spec.time_limit_s} s") from None
        except Exception as error:
            await self._failed(given, run, delivery, error)
            raise
        if isinstance(result, bytes):
            return await self._succeeded(given, run, delivery, result)
        return await self._returned(given, run, delivery, result)

    async def _succeeded(
        self, given: Assignment, run: Run, delivery: Delivery, result: bytes
    ) -> Outcome:
        kept = result if given.job.keep_result or given.job.then else None
        return await self._end(
            run.entry.record, delivery, lambda r: self._ledger.finish(r, "succeeded", result=kept)
        )

    async def _returned(
        self, given: Assignment, run: Run, delivery: Delivery, outcome: Outcome
    ) -> Outcome:
        """The task said itself what is to become of its job."""
        if isinstance(outcome, Retry) and not given.policy.is_exhausted(delivery.attempt):
            await self._ledger.requeue(run.entry)
            return outcome
        if isinstance(outcome, Release):
            await self._ledger.requeue(run.entry)
            return outcome
        if isinstance(outcome, Retry | DeadLetter):
            reason = outcome.reason if isinstance(outcome, DeadLetter) else "exhausted"
            error = pack(ErrorData(type(outcome).__name__, reason))
            await self._end(
                run.entry.record, delivery, lambda r: self._ledger.finish(r, "failed", error=error)
            )
            return outcome
        return await self._succeeded(given, run, delivery, b"null")

    async def _failed(
        self, given: Assignment, run: Run, delivery: Delivery, error: Exception
    ) -> None:
        if isinstance(error, RemoteError):
            given.policy = replace(given.policy, on=())  # the child has applied it already
        policy = given.policy
        is_final = not policy.retries(error) or policy.is_exhausted(delivery.attempt)
        if classify(error) == "fatal" or (is_final and policy.on_exhausted == "stop"):
            is_final = False  # the worker stops, and another one may have it
        if not is_final:
            await self._ledger.requeue(run.entry)
            return
        data = pack(error_data(error))
        await self._end(
            run.entry.record, delivery, lambda r: self._ledger.finish(r, "failed", error=data)
        )

    async def _revoked(self, run: Run, delivery: Delivery) -> Outcome:
        return await self._end(
            run.entry.record, delivery, lambda r: self._ledger.finish(r, "revoked")
        )

    async def _end(self, record: JobRecord, delivery: Delivery, finish: Finish) -> Outcome:
        """Store the end, as long as it takes; then tell. Released if it cannot be stored."""
        given: Assignment = delivery.value
        until = self._clock.monotonic() + KEEP_TRYING_S
        ended: JobRecord | None = None
        while ended is None:
            try:
                ended, _ = await finish(record)
            except BackendUnavailable:
                if self._clock.monotonic() > until:
                    return RELEASE
                await self._clock.sleep(AGAIN_S)
        await self._replies.told(ended, given.job, delivery.message)
        return ACK


def _job_id(job: JobEnvelope, message: Message) -> str:
    """A replayed dead letter is a job of its own: the end of the first one stays as it was."""
    job_id = job.job or message.id
    replay = message.meta.get(REPLAYED)
    return job_id if replay is None else f"{job_id}~{replay}"


def _facts(given: Assignment, delivery: Delivery) -> JobFacts:
    topic = delivery.topic
    return JobFacts(
        given.spec.name,
        topic.rpartition(".")[2],
        submitted_at=delivery.timestamp,
        attempt=delivery.attempt,
        keep_result=given.job.keep_result,
    )
