"""Group M: a job runs, and its end comes back."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from decimal import Decimal
from typing import Any

from anymq.errors import DecodeError, JobTimeout, PublishRejected
from anymq.message import Delivery
from anymq.testing.bench import Bench
from anymq.testing.check import CheckFailed, check, expect
from anymq.testing.task_probe import ONCE, QUICK, office, twin

__all__: list[str] = []


@check("TSK-01", "enqueue_and_run", family="tasks")
async def runs(bench: Bench) -> None:
    """Each job runs once, with its own arguments of their own types, async or in a thread."""
    here, ran = await office(bench), list[Any]()

    async def asynchronous(number: int, day: date, *, factor: Decimal = Decimal(1)) -> None:
        ran.append(("async", number, day, factor))

    def plain(number: int) -> None:
        ran.append(("thread", number))

    first, second = here.task(asynchronous), here.task(plain)
    await here.open()
    wanted: list[Any] = []
    for number in range(20):
        day, factor = date(2026, 1, 1 + number), Decimal(number) / 10
        await here.submit(first, number, day, factor=factor)
        await here.submit(second, number)
        wanted += [("async", number, day, factor), ("thread", number)]
    await bench.wait(lambda: len(ran) >= len(wanted), f"{len(wanted)} calls")
    await bench.quiet()
    bench.records += len(ran)
    expect(sorted(map(repr, ran)) == sorted(map(repr, wanted)), f"{len(ran)} calls, not as sent")


@check("TSK-02", "result_round_trip", family="tasks")
async def results(bench: Bench) -> None:
    """Each handle gets its own job's value, also another process's handle, also a large value."""
    here = await office(bench)

    async def echo(value: dict[str, Any], wait_s: float) -> dict[str, Any]:
        await asyncio.sleep(wait_s)
        return value

    async def nothing() -> None: ...

    async def large(size: int) -> str:
        return "x" * size

    task, none, big = here.task(echo), here.task(nothing), here.task(large)
    await here.open(concurrency=50)
    jobs = [await here.submit(task, {"n": n}, (n % 5) / 100) for n in range(100)]
    found = [await here.result(job) for job in reversed(jobs)]
    expect(found == [{"n": n} for n in reversed(range(100))], "handles got other jobs' results")
    expect(await here.result(await here.submit(none)) is None, "None did not come back as None")
    expect(await here.result(await here.submit(big, 300_000)) == "x" * 300_000, "a large value")
    there = await twin(here)
    other = there.task(echo)
    await there.open(work=False)
    again = await here.result(await other.job(jobs[7].id))
    expect(again == {"n": 7}, f"a handle made from the id got {again!r}")
    late = await here.submit(task, {"n": -1}, 0.2)
    again = await here.result(await other.job(late.id))
    expect(again == {"n": -1}, f"a handle that waited elsewhere got {again!r}")


@check("TSK-03", "exception_round_trip", family="tasks")
async def errors(bench: Bench) -> None:
    """Type and text come back as data, whatever the error holds; a failed job has no result."""
    here = await office(bench)

    class Unpicklable(Exception):
        def __init__(self) -> None:
            super().__init__("ünïcode \ud800 " + "x" * 5000)
            self.loop = asyncio.get_running_loop()

    async def fail(kind: str) -> None:
        raise ValueError("of no value") if kind == "value" else Unpicklable

    async def fine() -> str:
        return "fine"

    task, good = here.task(fail, retry=ONCE), here.task(fine)
    await here.open()
    jobs = [await here.submit(task, kind) for kind in ("value", "other")]
    error, other = [await here.failure(job) for job in jobs]
    expect(error.error_type == "ValueError", f"the type came back as {error.error_type!r}")
    expect("of no value" in str(error), f"the text came back as {str(error)[:80]!r}")
    expect(other.error_type.endswith("Unpicklable"), f"the type is {other.error_type!r}")
    expect(len(str(other)) < 3000, "the text of an error is not capped")
    expect(await jobs[0].state() == "failed", f"its state is {await jobs[0].state()}")
    record = await jobs[0]._client.record(jobs[0].id)
    expect(record is not None and record.result is None, "a failed job has a result")
    data = json.loads((record.error if record else None) or b"{}")
    expect(data.get("type") == "ValueError", f"the error is stored as {data!r:.80}")
    expect(await here.result(await here.submit(good)) == "fine", "the worker did not go on")


@check("TSK-04", "result_timeout", family="tasks")
async def result_timeout(bench: Bench) -> None:
    """JobTimeout when the time is up, which is a TimeoutError; the job goes on and ends."""
    here, go = await office(bench), asyncio.Event()

    async def wait() -> str:
        await go.wait()
        return "done"

    task = here.task(wait)
    await here.open()
    job = await here.submit(task)
    began = asyncio.get_running_loop().time()
    try:
        await job.result(0.2)
    except JobTimeout as error:
        expect(isinstance(error, TimeoutError), "JobTimeout is no TimeoutError")
    else:
        raise CheckFailed("a result came before the job ended")
    took = asyncio.get_running_loop().time() - began
    expect(0.19 <= took <= 0.2 + bench.limit(1), f"the wait of 0.2 s took {took:.2f} s")
    expect(await job.state() == "running", f"the job is {await job.state()} now")
    go.set()
    expect(await here.result(job) == "done", "the job did not go on")


@check("TSK-05", "request_reply", family="tasks")
async def replies(bench: Bench) -> None:
    """A result reaches the process that asked, and it alone; at once, not by polling."""
    here = await office(bench)
    there = await twin(here)

    async def double(value: int) -> int:
        return 2 * value

    mine, theirs = here.task(double), there.task(double)
    await here.open()
    await there.open(work=False)
    jobs = [await here.submit(task, n) for n in range(30) for task in (mine, theirs)]
    found = [await here.result(job) for job in jobs]
    expect(found == [2 * n for n in range(30) for _ in range(2)], "replies were mixed up")
    loop, slow = asyncio.get_running_loop(), 0
    for n in range(20):
        began = loop.time()
        await here.result(await here.submit(theirs, n))
        slow += loop.time() - began > bench.limit(0.5)
    expect(slow <= 2, f"{slow} of 20 results took over {bench.limit(0.5)} s: they are not pushed")


@check("TSK-06", "correlation_and_source_propagated", family="tasks")
async def correlation(bench: Bench) -> None:
    """What a task submits or publishes belongs to the same conversation, and names its cause."""
    here, seen = await office(bench), list[tuple[str, str, str | None]]()
    topic = here.app.topic(bench.topic())

    async def child(delivery: Delivery) -> None:
        seen.append(("child", delivery.correlation_id, delivery.causation_id))

    async def parent(delivery: Delivery) -> str:
        await delivery.publish(topic, bench.body("x"))
        job = await small.submit()
        await job.wait(bench.limit(5))
        return job.id

    async def heard(value: Any, delivery: Delivery) -> None:
        seen.append(("event", delivery.correlation_id, delivery.causation_id))

    small, large = here.task(child), here.task(parent)
    bench.collect(here.app, topic, group="g", behaviour=heard)
    await here.open()
    job = await here.submit(large, correlation_id="conversation-7")
    await here.result(job)
    await bench.wait(lambda: len(seen) >= 2, "the child and the event")
    for kind, correlation_id, causation_id in seen:
        expect(correlation_id == "conversation-7", f"{kind} belongs to {correlation_id!r}")
        expect(causation_id == job.id, f"{kind} was caused by {causation_id!r}, not {job.id!r}")


@check("TSK-07", "unknown_task_name", family="tasks")
async def unknown(bench: Bench) -> None:
    """Dead-lettered with the reason, once and at once; its job has failed; the worker goes on."""
    here = await office(bench)
    there = await twin(here)

    async def known() -> str:
        return "known"

    task = here.task(known)
    stranger = there.app.task_by_name("nobody.knows.it", queue=here.queue)
    await here.open()
    await there.open(work=False)
    job = await here.submit(stranger)
    error = await here.failure(job)
    expect("nobody.knows.it" in str(error), f"the error does not name the task: {error}")
    (entry,) = await here.dead()
    reason = entry.message.meta.get("anymq-death-reason", "")
    expect(reason == "unknown_task", f"the reason is {reason!r}")
    expect(await here.result(await here.submit(task)) == "known", "the worker did not go on")


@check("TSK-08", "bad_arguments", family="tasks")
async def bad_arguments(bench: Bench) -> None:
    """Refused at submission where that can be known; else dead at attempt 1, bytes unchanged."""
    here = await office(bench)
    there = await twin(here)
    ran: list[Any] = []

    async def add(a: int, b: int) -> int:
        ran.append((a, b))
        return a + b

    task = here.task(add, retry=QUICK)
    foreign = there.app.task_by_name("add", queue=here.queue)
    await here.open()
    await there.open(work=False)
    for args in ((1,), (1, 2, 3), (1, object()), (1, float("nan"))):
        try:
            await here.submit(task, *args)
        except (TypeError, PublishRejected, DecodeError):
            continue
        raise CheckFailed(f"a submission with {len(args)} arguments {args!r} was accepted")
    bad: list[dict[str, Any]] = [{"a": 1, "b": "two"}, {"a": 1}, {"a": 1, "b": 2, "c": 3}]
    for arguments in bad:
        error = await here.failure(await here.submit(foreign, **arguments))
        expect("DecodeError" in error.error_type, f"{arguments} failed with {error.error_type}")
    garbage = b'{"task": 5, \xff'
    await here.app._lifecycle.engine.publisher.send_now(
        [bench.message(here.topic, garbage)], bench.limit(5)
    )
    dead = await here.dead(len(bad) + 1)
    attempts = {entry.message.attempt for entry in dead}
    expect(attempts == {1}, f"bad arguments were tried {attempts} times")
    expect(garbage in [entry.message.body for entry in dead], "the bytes were changed")
    expect(await here.result(await here.submit(task, 1, 2)) == 3, "the worker did not go on")
    expect(ran == [(1, 2)], f"the task was called with {ran}")
