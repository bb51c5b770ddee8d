"""What the checks of tasks share: an application with a queue of its own, and looks at its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from anymq.abc.job_store import JobState
from anymq.abc.task_runner import WorkerOptions
from anymq.app import App
from anymq.errors import JobFailed
from anymq.retry import RetryPolicy
from anymq.tasks.job import Job
from anymq.tasks.queues import GROUP, queue_topic
from anymq.tasks.task import Task
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, expect
from anymq.testing.probe import until_dead

__all__ = ["ONCE", "QUICK", "Office", "office", "twin"]

ONCE = RetryPolicy(max_attempts=1)
QUICK = RetryPolicy(max_attempts=3, first_delay_s=0.05)


class Office:
    """One application and one queue, which nobody else uses."""

    def __init__(self, bench: Bench, app: App, queue: str) -> None:
        self.bench = bench
        self.app = app
        self.queue = queue
        self.topic = queue_topic(queue)

    def task(self, function: Callable[..., Any], **options: Any) -> Task[..., Any]:
        """Declare a task of this queue."""
        options.setdefault("name", function.__name__)
        made: Task[..., Any] = self.app.task(queue=self.queue, **options)(function)
        return made

    async def open(self, *, concurrency: int = 10, work: bool = True) -> Office:
        """Start, with a worker or without one."""
        options = WorkerOptions((self.queue,), concurrency, 2.0) if work else False
        async with asyncio.timeout(self.bench.limit(10)):
            await self.app.start(work=options)
        return self

    async def submit(self, task: Task[..., Any], *args: Any, **options: Any) -> Job[Any]:
        """Submit one job."""
        self.bench.sent += 1
        async with asyncio.timeout(self.bench.limit(10)):
            return await task.submit(*args, **options)

    async def result(self, job: Job[Any], limit_s: float = 10.0) -> Any:
        """Its result, within the limit."""
        result = await job.result(self.bench.limit(limit_s))
        self.bench.records += 1
        return result

    async def failure(self, job: Job[Any], limit_s: float = 10.0) -> JobFailed:
        """Its error; fail if it has a result."""
        try:
            result = await job.result(self.bench.limit(limit_s))
        except JobFailed as error:
            self.bench.records += 1
            return error
        raise CheckFailed(f"a result came, where the job should have failed: {result!r:.80}")

    async def reaches(self, job: Job[Any], state: JobState, limit_s: float = 10.0) -> None:
        """Wait until the job is in a state."""

        async def is_there() -> bool:
            return await job.state() == state

        await self.bench.wait_async(is_there, f"the job to be {state}", limit_s)

    async def dead(self, count: int = 1) -> list[Any]:
        """Wait for dead jobs; exactly so many."""
        found = await until_dead(self.bench, self.app, self.topic, count, group=GROUP)
        expect(len(found) == count, f"{len(found)} dead letters for {count} dead jobs")
        return found

    async def waiting(self) -> int:
        """How many jobs wait, as an operator sees it."""
        states = await self.app.management().groups(self.topic)
        return sum(state.ready or 0 for state in states)


async def office(bench: Bench, **options: Any) -> Office:
    """An application on the backend, not started, and a queue that nobody else has."""
    bench._names += 1
    queue = f"kit-{bench.run_id}-{bench._names}"
    return Office(bench, await bench.app(**options), queue)


async def twin(first: Office, **options: Any) -> Office:
    """Another application on the same queue."""
    return Office(first.bench, await first.bench.app(**options), first.queue)
