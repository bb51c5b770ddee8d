"""What other groups ask of tasks, too: delays, priorities, retries, and stopping."""

from __future__ import annotations

import asyncio

from anymq.retry import RetryPolicy
from anymq.tasks.current import CurrentJob
from anymq.tasks.queues import GROUP
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.task_probe import ONCE, QUICK, Office, office, twin

__all__: list[str] = []


@check("ACK-07", "nack_with_delay", family="tasks", needs=("delayed_retry",))
async def retry_delay(bench: Bench) -> None:
    """A failed job comes again not before its delay; others pass meanwhile."""
    here, times = await office(bench), list[float]()
    loop = asyncio.get_running_loop()

    async def fail() -> float:
        times.append(loop.time())
        if len(times) < 2:
            raise ValueError
        return loop.time()

    async def quick() -> float:
        return loop.time()

    task = here.task(fail, retry=RetryPolicy(max_attempts=2, first_delay_s=1.0))
    other = here.task(quick)
    await here.open(concurrency=1)
    job = await here.submit(task)
    await bench.wait(lambda: len(times) == 1, "the first attempt")
    passed = await here.result(await here.submit(other))
    again = await here.result(job)
    expect(again - times[0] >= 0.99, f"a delay of 1 s was {again - times[0]:.3f} s")
    expect(passed < again, "nothing passed a job that waits for its retry")


@check("RTY-01", "handler_error_is_retried_n_times", family="tasks")
async def retried(bench: Bench) -> None:
    """Exactly ``max_attempts`` calls, numbered, and one end."""
    here, attempts = await office(bench), list[int]()

    async def fail(job: CurrentJob) -> None:
        attempts.append(job.attempt)
        raise ValueError("always")

    task = here.task(fail, retry=QUICK)
    await here.open()
    error = await here.failure(await here.submit(task))
    await bench.quiet()
    expect(attempts == [1, 2, 3], f"attempts {attempts} where three are allowed")
    expect(error.error_type == "ValueError", f"it failed with {error.error_type}")


@check("RTY-07", "exhausted_goes_to_dlq_once", family="tasks")
async def exhausted(bench: Bench) -> None:
    """One dead letter with the job's bytes and facts, the queue empty, later jobs run."""
    here = await office(bench)

    async def fail(text: str) -> None:
        raise ValueError(text)

    async def fine() -> str:
        return "fine"

    task, good = here.task(fail, retry=ONCE), here.task(fine)
    await here.open()
    await here.failure(await here.submit(task, "of no use"))
    (entry,) = await here.dead()
    meta = entry.message.meta
    expect(b"of no use" in entry.message.body, "the dead letter has other bytes")
    expect("ValueError" in meta.get("anymq-death-error", ""), f"its facts are {dict(meta)}")
    expect(await here.result(await here.submit(good)) == "fine", "later jobs do not run")
    await bench.quiet()
    await here.dead()


@check("RTY-18", "dlq_replay", family="tasks", needs=("dead_letters",))
async def replayed(bench: Bench) -> None:
    """A replayed job runs again from attempt 1; what it ended with before stays recorded."""
    here, attempts, is_mended = await office(bench), list[int](), False

    async def work(job: CurrentJob) -> str:
        attempts.append(job.attempt)
        if not is_mended:
            raise ValueError("broken")
        return job.id

    task = here.task(work, retry=RetryPolicy(max_attempts=2, first_delay_s=0.01))
    await here.open()
    job = await here.submit(task)
    await here.failure(job)
    await here.dead()
    is_mended = True
    report = await here.app.dead_letters.replay(here.topic, GROUP)
    expect(report.replayed == 1, f"replay reports {report}")
    await bench.wait(lambda: len(attempts) == 3, "the replayed job to run")
    expect(attempts == [1, 2, 1], f"attempts {attempts}: a replay begins anew")
    await bench.quiet()
    expect(await job.state() == "failed", f"a terminal state became {await job.state()}")
    left = await here.app.dead_letters.entries(here.topic, GROUP)
    expect(not left, f"{len(left)} dead letters after the replay")


@check("TIM-03", "delayed_not_early", family="tasks", needs=("delayed_delivery",))
async def not_early(bench: Bench) -> None:
    """Not before its moment, also where the worker is another one by then."""
    here, ran = await office(bench), list[float]()
    there = await twin(here)
    loop = asyncio.get_running_loop()

    async def note() -> None:
        ran.append(loop.time())

    task = here.task(note)
    there.task(note)
    await here.open()
    began = loop.time()
    await here.submit(task, delay_s=1.2)
    await here.app.stop()
    await there.open()
    await bench.wait(lambda: bool(ran), "the delayed job", 10)
    expect(ran[0] - began >= 1.19, f"a delay of 1.2 s was {ran[0] - began:.3f} s")
    await bench.quiet()
    expect(len(ran) == 1, f"it ran {len(ran)} times")


@check("TIM-04", "delayed_in_the_past_is_immediate", family="tasks", needs=("delayed_delivery",))
async def in_the_past(bench: Bench) -> None:
    """A moment that is over means now."""
    from datetime import UTC, datetime, timedelta

    here = await office(bench)

    async def note() -> str:
        return "now"

    task = here.task(note)
    await here.open()
    loop = asyncio.get_running_loop()
    for options in ({"delay_s": -3600}, {"eta": datetime.now(UTC) - timedelta(days=3)}):
        began = loop.time()
        expect(await here.result(await here.submit(task, **options)) == "now", "no result")
        took = loop.time() - began
        expect(took < bench.limit(1.5), f"{options} took {took:.2f} s")


@check("TIM-06", "priority_order", family="tasks", needs=("priority",))
async def priorities(bench: Bench) -> None:
    """With a backlog, high jobs run before normal ones and those before low ones, mostly."""
    here, ran = await office(bench), list[str]()

    async def note(priority_of_mine: str) -> str:
        ran.append(priority_of_mine)
        return priority_of_mine

    task = here.task(note)
    await here.open(work=False)
    jobs = [
        await here.submit(task, level, priority=level)
        for _ in range(8)
        for level in ("low", "normal", "high")
    ]
    there = await twin(here)
    there.task(note)
    await there.open(concurrency=1)
    for job in jobs:
        await here.result(job)
    first, last = ran[:8], ran[-8:]
    expect(first.count("high") >= 6, f"the first eight of 24 are {first}")
    expect(last.count("low") >= 6, f"the last eight of 24 are {last}")


@check("LIF-11", "stop_waits_for_in_flight", family="tasks")
async def drains(bench: Bench) -> None:
    """A stop begins no job, lets running ones end and be recorded, and leaves the rest."""
    here, begun, go = await office(bench), asyncio.Event(), asyncio.Event()
    ran: list[int] = []

    async def work(number: int) -> int:
        ran.append(number)
        begun.set()
        await go.wait()
        return number

    task = here.task(work)
    await here.open(concurrency=1)
    jobs = [await here.submit(task, number) for number in range(3)]
    await bench.wait(begun.is_set, "the first job to begin")
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(here.app.stop(grace_s=bench.limit(10)))
        await bench.quiet()
        expect(not stopping.done(), "stop did not wait for the running job")
        go.set()
    expect(ran == [0], f"jobs {ran} began, where one ran when the stop was asked for")
    there = await twin(here)
    watched = there.task(work)
    await there.open(work=False)
    states = [await (await watched.job(job.id)).state() for job in jobs]
    expect(states == ["succeeded", "queued", "queued"], f"after the stop they are {states}")


@check("LIF-13", "cancelled_by_shutdown_is_not_failure", family="tasks")
async def cancelled(bench: Bench) -> None:
    """A job that a stop cancels was no failure: it runs again elsewhere, at the same attempt."""
    here, begun = await office(bench), asyncio.Event()
    attempts: list[int] = []
    there = await twin(here)

    async def hang(job: CurrentJob) -> None:
        attempts.append(job.attempt)
        begun.set()
        await asyncio.Event().wait()

    async def finish(job: CurrentJob) -> int:
        attempts.append(job.attempt)
        return job.attempt

    task = here.task(hang, name="work", retry=ONCE)
    watched = there.task(finish, name="work", retry=ONCE)
    await here.open()
    job = await here.submit(task)
    await bench.wait(begun.is_set, "the job to begin")
    await here.app.stop(grace_s=0.05)
    await there.open()
    result = await there.result(await watched.job(job.id), 20)
    expect(result == 1 and attempts == [1, 1], f"attempts {attempts} after a shutdown")
    await _nothing_dead(bench, there)


async def _nothing_dead(bench: Bench, place: Office) -> None:
    await bench.quiet()
    dead = await place.app.dead_letters.entries(place.topic, GROUP)
    expect(not dead, f"{len(dead)} dead letters, where nothing failed")
