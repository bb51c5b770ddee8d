"""Group I for tasks: restarts, cuts while idle, and cuts while a job runs."""

from __future__ import annotations

import asyncio
from typing import Any

from anymq.errors import BackendUnavailable, PublishUnknown
from anymq.tasks.job import Job
from anymq.tasks.task import Task
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.disruption import fault, unharmed
from anymq.testing.task_probe import Office, office

__all__: list[str] = []

CONCURRENCY = 5
JOBS = 15
"""Submitted before, between and after the faults."""


@check(
    "REC-01",
    "broker_restart_under_load",
    family="tasks",
    needs=("persistent",),
    disrupts=("kill", "restart"),
    limit_s=120,
)
async def restarts(bench: Bench) -> None:
    """Jobs are submitted and run across two restarts: each has one end, and its own result."""
    here, ran = await office(bench), list[int]()

    async def note(number: int) -> int:
        ran.append(number)
        await asyncio.sleep(0.01)
        return number

    task = here.task(note)
    await here.open(concurrency=CONCURRENCY)
    jobs = [await _submit(here, task, number) for number in range(JOBS)]
    await bench.harness.disrupt("restart")
    jobs += [await _submit(here, task, JOBS + number) for number in range(JOBS)]
    async with fault(bench, "kill", mend="restart"):
        await bench.quiet()
    jobs += [await _submit(here, task, 2 * JOBS + number) for number in range(JOBS)]
    found = [await here.result(job, 60) for job in jobs]
    expect(found == list(range(3 * JOBS)), f"results after restarts: {found}")
    extra = len(ran) - len(set(ran))
    # Per fault what was in hand, and submissions whose outcome nobody knew.
    expect(extra <= 2 * 2 * CONCURRENCY, f"{extra} of {3 * JOBS} jobs ran more than once")
    await unharmed(bench, here.app, limit_s=20)


async def _submit(here: Office, task: Task[..., Any], number: int) -> Job[Any]:
    """As an application does it that must not lose a job: again, with the same id."""
    bench = here.bench
    key = f"{bench.run_id}-{number}"

    async def try_once() -> bool:
        try:
            found.append(await task.submit(number, job_id=key, timeout_s=bench.limit(3)))
        except (BackendUnavailable, PublishUnknown):
            return False
        return True

    found: list[Job[Any]] = []
    await bench.wait_async(try_once, f"job {number} to be accepted", 30)
    bench.sent += 1
    return found[0]


@check("REC-02", "connection_cut_idle", family="tasks", disrupts=("cut",), limit_s=90)
async def cut_while_idle(bench: Bench) -> None:
    """After each cut the next job runs and its result comes, from an idle worker."""
    here, ran = await office(bench), list[int]()

    async def note(number: int) -> int:
        ran.append(number)
        return number

    task = here.task(note)
    await here.open()
    for number in range(3):
        await here.result(await _submit(here, task, number), 20)
        await bench.quiet()
        await bench.harness.disrupt("cut")
    expect(await here.result(await _submit(here, task, 3), 20) == 3, "no job ran after the cuts")
    expect(sorted(set(ran)) == [0, 1, 2, 3], f"what ran is {ran}")
    await unharmed(bench, here.app, limit_s=20)


@check("REC-08", "in_flight_during_cut_redelivered", family="tasks", disrupts=("cut",), limit_s=90)
async def cut_while_running(bench: Bench) -> None:
    """A job that runs while its connection is cut has one end; later jobs run."""
    here, begun, go = await office(bench), asyncio.Event(), asyncio.Event()
    ran: list[int] = []

    async def wait(number: int) -> int:
        ran.append(number)
        if number == 0:
            begun.set()
            await go.wait()
        return number

    task = here.task(wait)
    await here.open(concurrency=2)
    job = await _submit(here, task, 0)
    await bench.wait(begun.is_set, "the job to begin")
    await bench.harness.disrupt("cut")
    later = await _submit(here, task, 1)
    expect(await here.result(later, 30) == 1, "a later job did not run")
    go.set()
    expect(await here.result(job, 30) == 0, "the job that was cut off has no result")
    await bench.quiet()
    expect(await job.state() == "succeeded", f"it is {await job.state()} in the end")
    expect(ran.count(0) <= 2, f"one cut, and the job ran {ran.count(0)} times")
    await unharmed(bench, here.app, limit_s=20)
