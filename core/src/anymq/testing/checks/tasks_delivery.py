"""What other groups ask of tasks, too: jobs are neither lost nor run twice, and end once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from anymq.message import Delivery
from anymq.tasks.current import CurrentJob
from anymq.testing.bench import Bench
from anymq.testing.check import check, expect
from anymq.testing.probe import short_lease
from anymq.testing.task_probe import ONCE, office, twin

__all__: list[str] = []


@check("DEL-07", "empty_destination_idle", family="tasks")
async def idle(bench: Bench) -> None:
    """Without jobs nothing is called, and the process does next to nothing."""
    here, ran = await office(bench), list[int]()

    async def note() -> None:
        ran.append(1)

    task = here.task(note)
    await here.open()
    loop: Any = asyncio.get_running_loop()
    turns, run_once = 0, loop._run_once

    def counted() -> None:
        nonlocal turns
        turns += 1
        run_once()

    loop._run_once = counted
    try:
        await bench.quiet(1.0)
    finally:
        loop._run_once = run_once
    expect(not ran, "a task ran without a job")
    expect(turns < 1000, f"an idle worker turned the loop {turns} times in a second")
    await here.result(await here.submit(task))


@check("ACK-01", "not_acked_is_redelivered", family="tasks", limit_s=60)
async def redelivered(bench: Bench) -> None:
    """What a dead worker had in hand or waiting comes to another one, all of it."""
    first = await office(bench, plugin=short_lease(bench))
    second = await twin(first, plugin=short_lease(bench))
    begun, ran = list[int](), list[int]()

    async def hang(number: int) -> None:
        begun.append(number)
        await asyncio.Event().wait()

    async def note(number: int) -> None:
        ran.append(number)

    task = first.task(hang, name="work")
    second.task(note, name="work")
    await first.open(concurrency=2)
    for number in range(10):
        await first.submit(task, number)
    await bench.wait(lambda: len(begun) == 2, "two jobs to begin")
    await bench.crash(first.app)
    await second.open(concurrency=3)
    await bench.wait(lambda: set(ran) == set(range(10)), "all ten jobs on the other worker", 30)
    bench.records += len(ran)


@check("ACK-02", "acked_is_not_redelivered", family="tasks")
async def once(bench: Bench) -> None:
    """What has ended runs no more, whoever starts later."""
    here, ran = await office(bench), list[int]()

    async def note(number: int) -> int:
        ran.append(number)
        return number

    task = here.task(note)
    await here.open()
    jobs = [await here.submit(task, number) for number in range(20)]
    for job in jobs:
        await here.result(job)
    await here.app.stop()
    there = await twin(here)
    there.task(note)
    await there.open()
    await bench.quiet()
    expect(sorted(ran) == list(range(20)), f"20 jobs ran {len(ran)} times")


@check("ACK-03", "ack_only_after_handler", family="tasks")
async def acked_after(bench: Bench) -> None:
    """While the task runs its message is in flight, and its state is running."""
    here, begun, go = await office(bench), asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        begun.set()
        await go.wait()
        return "done"

    task = here.task(wait)
    await here.open()
    job = await here.submit(task)
    await bench.wait(begun.is_set, "the job to begin")
    expect(await job.state() == "running", f"a running job is {await job.state()}")
    states = await here.app.management().groups(here.topic)
    counts = [state.in_flight for state in states if state.in_flight is not None]
    expect(not counts or sum(counts) == 1, f"in flight while it runs: {counts}")
    go.set()
    await here.result(job)


@check("ACK-09", "double_ack_is_harmless", family="tasks")
async def doubled(bench: Bench) -> None:
    """A second message of a job, before and after its end, runs nothing and changes nothing."""
    here, ran = await office(bench), list[int]()

    async def note(number: int, delivery: Delivery) -> int:
        ran.append(number)
        if len(ran) == 1:
            first.append(delivery.message)
        return number

    first: list[Any] = []
    task = here.task(note)
    await here.open(concurrency=1)
    job = await here.submit(task, 7)
    await here.result(job)
    for _ in range(3):
        await here.app._lifecycle.engine.publisher.send_now(first, bench.limit(5))
    later = await here.submit(task, 8)
    await here.result(later)
    await bench.quiet()
    expect(ran == [7, 8], f"one message, four times, made {ran}")
    expect(await job.state() == "succeeded", f"the job is {await job.state()} now")


@check("ACK-10", "ack_after_nack_is_refused", family="tasks")
async def first_end_wins(bench: Bench) -> None:
    """Of revoked and succeeded the first one stays, however late the other; the worker goes on."""
    here, begun, go = await office(bench), threading.Event(), threading.Event()

    def stubborn() -> str:
        begun.set()
        go.wait(bench.limit(10))
        ended.append("stubborn")
        return "done all the same"

    async def quick() -> str:
        return "quick"

    ended: list[str] = []
    task, other = here.task(stubborn), here.task(quick)
    await here.open(concurrency=2)
    job = await here.submit(task)
    await bench.wait(begun.is_set, "the job to begin")
    await job.revoke()
    expect((await here.failure(job)).error_type == "revoked", "a revoked job has a result")
    go.set()
    await bench.wait(lambda: bool(ended), "the thread to end")
    await bench.quiet()
    expect(await job.state() == "revoked", f"a late end made it {await job.state()}")
    expect(await here.result(await here.submit(other)) == "quick", "the worker did not go on")


@check("CON-01", "concurrency_limit_is_reached_and_not_exceeded", family="tasks")
async def concurrency(bench: Bench) -> None:
    """Exactly as many at once as was asked for, of async and of plain tasks together."""
    here, now, most = await office(bench), 0, 0
    release = asyncio.Event()

    async def work() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await release.wait()
        now -= 1

    task = here.task(work)
    await here.open(concurrency=4)
    jobs = [await here.submit(task) for _ in range(12)]
    await bench.wait(lambda: now == 4, "four jobs at once")
    await bench.quiet()
    expect(most == 4, f"{most} jobs ran at once where 4 were allowed")
    states = [await job.state() for job in jobs]
    expect(states.count("running") == 4, f"states while four run: {states}")
    release.set()
    for job in jobs:
        await here.result(job)
    expect(most == 4, f"{most} jobs ran at once where 4 were allowed")


@check("CON-09", "long_handler_keeps_its_lease", family="tasks")
async def long_job(bench: Bench) -> None:
    """A job longer than two leases runs once, although another worker would take it."""
    first = await office(bench, plugin=short_lease(bench))
    second = await twin(first, plugin=short_lease(bench))
    ran: list[int] = []
    lease_s = bench.harness.timings.lease_s

    async def long(job: CurrentJob) -> int:
        ran.append(job.attempt)
        await asyncio.sleep(2.5 * lease_s)
        return job.attempt

    task = first.task(long, retry=ONCE)
    second.task(long, retry=ONCE)
    await first.open()
    await second.open()
    expect(await first.result(await first.submit(task)) == 1, "not the first attempt's result")
    await bench.quiet()
    expect(ran == [1], f"a long job ran {len(ran)} times")
