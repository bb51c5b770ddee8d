"""Group M: what can happen to a job before and while it runs."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.errors import PublishRejected
from anymq.outcome import Retry
from anymq.retry import RetryPolicy
from anymq.tasks.current import CurrentJob
from anymq.tasks.job import Job
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.probe import short_lease
from anymq.testing.task_probe import QUICK, office, twin

__all__: list[str] = []


@check("TSK-09", "worker_crash_reruns_task", family="tasks", limit_s=60)
async def crash(bench: Bench) -> None:
    """A worker dies with jobs in hand: another one runs them, uncounted, and each ends once."""
    first = await office(bench, plugin=short_lease(bench))
    second = await twin(first, plugin=short_lease(bench))
    client = await twin(first)
    begun, attempts = list[int](), list[int]()
    is_first = True

    async def work(number: int, job: CurrentJob) -> int:
        if is_first:
            begun.append(number)
            await asyncio.Event().wait()
        attempts.append(job.attempt)
        return number

    for place in (first, second):
        place.task(work)
    task = client.task(work)
    await first.open(concurrency=5)
    await client.open(work=False)
    jobs = [await client.submit(task, number) for number in range(8)]
    await bench.wait(lambda: len(begun) == 5, "five jobs to begin")
    await bench.crash(first.app)
    is_first = False
    await second.open(concurrency=5)
    found = [await client.result(job, 30) for job in jobs]
    expect(found == list(range(8)), f"the results are {found}")
    expect(set(attempts) == {1}, f"a crash was counted as a failure: attempts {attempts}")
    expect(len(attempts) >= 8, f"{len(attempts)} of 8 jobs ran again")


@check("TSK-10", "scheduled_task", family="tasks", needs=("delayed_delivery",))
async def scheduled(bench: Bench) -> None:
    """Delays hold no place in a worker; neither early nor much too late; expiry counts."""
    here, ran = await office(bench), dict[str, float]()
    loop = asyncio.get_running_loop()

    async def note(name: str) -> None:
        ran[name] = loop.time()

    task = here.task(note)
    await here.open(concurrency=1)
    began = loop.time()
    far = [await here.submit(task, f"far-{n}", delay_s=3600.0 * (n + 1)) for n in range(5)]
    due = await here.submit(task, "due", delay_s=1.0)
    now = await here.submit(task, "now", delay_s=-5)
    await here.result(now)
    expect(ran["now"] - began < bench.limit(2), "what waits for its time keeps others from running")
    await here.result(due)
    took, late_s = ran["due"] - began, bench.harness.timings.late_s * 10 + bench.limit(1)
    expect(took >= 0.99, f"a delay of 1 s ended after {took:.3f} s")
    expect(took <= 1.0 + late_s, f"a delay of 1 s ended after {took:.3f} s")
    states = [await job.state() for job in far]
    expect(states == ["queued"] * 5, f"jobs that are not due are {states}")
    expect(not any(name.startswith("far") for name in ran), "a job ran an hour early")
    stale = await here.submit(task, "stale", delay_s=0.5, expires_s=0.1)
    error = await here.failure(stale)
    expect(error.error_type == "expired" and "stale" not in ran, "it ran after it had expired")
    for job in far:
        expect(await job.revoke(), "a job that waits could not be revoked")


@check("TSK-11", "cancel_before_start", family="tasks")
async def cancel(bench: Bench) -> None:
    """Revoked before it begins, it never runs; revoked while it runs, it is stopped."""
    here, ran = await office(bench), list[str]()
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def note(name: str) -> str:
        ran.append(name)
        return name

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task, long = here.task(note), here.task(hang)
    await here.open(concurrency=1)
    running = await here.submit(long)
    await bench.wait(begun.is_set, "the first job to begin")
    waiting = [await here.submit(task, f"revoked-{n}") for n in range(5)]
    answers = [await job.revoke() for job in waiting]
    expect(answers == [True] * 5, f"revoke of jobs that have not begun gave {answers}")
    expect(await running.revoke() is False, "a running job was called certain not to run")
    expect((await here.failure(running)).error_type == "revoked", "it is not revoked")
    await bench.wait(stopped.is_set, "the running task to be cancelled")
    last = await here.submit(task, "last")
    await here.result(last)
    await bench.quiet()
    expect(ran == ["last"], f"jobs ran although they were revoked: {ran}")
    states = [await job.state() for job in (*waiting, running, last)]
    expect(states == ["revoked"] * 6 + ["succeeded"], f"their states are {states}")
    expect(await last.revoke() is False, "what had succeeded was revoked")
    expect(await last.state() == "succeeded", "a terminal state was replaced")


@check("TSK-12", "reschedule", family="tasks", needs=("delayed_delivery",))
async def reschedule(bench: Bench) -> None:
    """The new moment counts and the old one does not, earlier or later, from any handle."""
    here, ran = await office(bench), list[str]()

    async def note(name: str) -> str:
        ran.append(name)
        return name

    task = here.task(note)
    await here.open()
    sooner = await here.submit(task, "sooner", delay_s=3600)
    later = await here.submit(task, "later", delay_s=1.0)
    elsewhere = await here.submit(task, "elsewhere", delay_s=3600)
    expect(await later.reschedule(delay_s=3600), "a job could not be moved to later")
    expect(await sooner.reschedule(delay_s=0.2), "a job could not be moved to sooner")
    expect(await (await task.job(elsewhere.id)).reschedule(delay_s=0), "another handle could not")
    await here.result(sooner)
    await here.result(elsewhere)
    await bench.quiet(1.2 + bench.harness.timings.late_s)
    expect(sorted(ran) == ["elsewhere", "sooner"], f"what ran is {ran}")
    expect(await later.state() == "queued", f"the other one is {await later.state()}")
    expect(await sooner.reschedule(delay_s=9) is False, "what had ended was rescheduled")
    await later.revoke()


@check("TSK-13", "duplicate_task_id", family="tasks")
async def duplicates(bench: Bench) -> None:
    """An id runs once, however it is submitted again; told exactly, in bulk as well."""
    here = await office(bench)
    there = await twin(here)
    ran: list[int] = []

    async def note(value: int) -> int:
        ran.append(value)
        return value

    task, other = here.task(note), there.task(note)
    await here.open()
    await there.open(work=False)
    key = f"order-{bench.run_id}"
    submits = [here.submit(t, n, job_id=key) for n in range(10) for t in (task, other)]
    jobs: list[Job[Any]] = list(await asyncio.gather(*submits))
    expect(sum(job.is_new for job in jobs) == 1, "not exactly one submission was the new one")
    found = {await here.result(job) for job in jobs}
    expect(len(found) == 1, f"handles of one job gave {found}")
    try:
        await here.submit(other, 99, job_id=key, if_exists="reject")
    except PublishRejected as error:
        expect(error.code == "exists", f"it was refused with the code {error.code!r}")
    else:
        raise CheckFailed("an id was accepted twice, although that was to be rejected")
    steps = [task.step(100 + n, job_id=f"{key}-{n % 4}", if_exists="reject") for n in range(8)]
    bulk = await task.submit_many(steps)
    rejected = [isinstance(one, PublishRejected) for one in bulk]
    expect(rejected == [False] * 4 + [True] * 4, f"the report of eight, four doubled: {rejected}")
    await asyncio.gather(*(here.result(one) for one in bulk if isinstance(one, Job)))
    await bench.quiet()
    expect(len(ran) == 5, f"five ids ran {len(ran)} times: {ran}")


@check("TSK-14", "task_time_limit", family="tasks")
async def time_limit(bench: Bench) -> None:
    """The task is cancelled at its limit, counted as failed, and retried by its policy."""
    here, attempts, cancelled = await office(bench), list[int](), list[int]()

    async def slow(job: CurrentJob) -> int:
        attempts.append(job.attempt)
        try:
            await asyncio.sleep(0.0 if job.attempt == 3 else 3600)
        finally:
            cancelled.append(job.attempt)
        return job.attempt

    task = here.task(slow, time_limit_s=0.2, retry=QUICK)
    hopeless = here.task(_never, name="never", time_limit_s=0.1, retry=RetryPolicy(max_attempts=1))
    await here.open()
    expect(await here.result(await here.submit(task)) == 3, "not the third attempt's result")
    expect(attempts == [1, 2, 3] == cancelled, f"attempts {attempts}, ended {cancelled}")
    error = await here.failure(await here.submit(hopeless))
    expect(error.error_type == "TimeoutError", f"over its limit it fails with {error.error_type}")
    await here.dead()


async def _never() -> None:
    await asyncio.Event().wait()


@check("TSK-15", "retry_from_task", family="tasks", needs=("delayed_retry",))
async def retry(bench: Bench) -> None:
    """``Retry(delay_s)`` is honoured, counted, and ended by the policy; others run meanwhile."""
    here, times = await office(bench), dict[int, float]()
    loop = asyncio.get_running_loop()

    async def later(job: CurrentJob) -> Any:
        times[job.attempt] = loop.time()
        return job.attempt if job.attempt == 2 else Retry(1.0)

    async def always() -> Retry:
        return Retry(0.01)

    async def quick() -> float:
        return loop.time()

    task, endless, other = here.task(later), here.task(always, retry=QUICK), here.task(quick)
    await here.open(concurrency=1)
    job = await here.submit(task)
    await here.reaches(job, "queued")
    passed = await here.result(await here.submit(other))
    expect(await here.result(job) == 2, "the second attempt's result did not come")
    gap = times[2] - times[1]
    late_s = bench.harness.timings.late_s * 10 + bench.limit(1)
    expect(0.99 <= gap <= 1.0 + late_s, f"a retry in 1 s came after {gap:.3f} s")
    expect(passed < times[2], "a job that waits for its retry keeps others from running")
    error = await here.failure(await here.submit(endless))
    expect("exhausted" in str(error), f"what is always retried ends with {error}")
    (entry,) = await here.dead()
    expect(entry.message.attempt == QUICK.max_attempts, f"after {entry.message.attempt} attempts")


@check("TSK-16", "inspect_queue_length", family="tasks")
async def depth(bench: Bench) -> None:
    """0 at first, n after n, 0 again once they have run; delayed ones do not count as ready."""
    here = await office(bench)

    async def note(number: int) -> int:
        return number

    task = here.task(note)
    await here.open(work=False)
    expect(await here.waiting() == 0, f"{await here.waiting()} jobs wait in a new queue")
    jobs = [await here.submit(task, number) for number in range(7)]

    async def is_seven() -> bool:
        return await here.waiting() == 7

    await bench.wait_async(is_seven, "seven jobs to be seen waiting")
    there = await twin(here)
    there.task(note)
    await there.open()
    expect([await here.result(job) for job in jobs] == list(range(7)), "they did not run")

    async def is_none() -> bool:
        return await here.waiting() == 0

    await bench.wait_async(is_none, "the queue to be seen empty")
