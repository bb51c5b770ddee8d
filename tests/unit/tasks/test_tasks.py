"""Tasks as applications use them, on the memory backend."""

from __future__ import annotations

import asyncio
import threading
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from anymq import (
    App,
    ConfigError,
    DeadLetter,
    InvalidState,
    JobFailed,
    JobTimeout,
    Retry,
    RetryPolicy,
)
from anymq.support.ids import new_id
from anymq.tasks.compose import chain, gather
from anymq.tasks.current import CurrentJob
from tests.unit.tasks.waiting import until

__all__: list[str] = []

TOPIC = "anymq.tasks.default"
QUICK = RetryPolicy(max_attempts=3, first_delay_s=0.01)


class Bill(BaseModel):
    """What pydantic validates."""

    amount: Decimal
    day: date


def make_app() -> App:
    """An application on a space of its own."""
    return App(f"memory://{new_id()}")


async def test_a_task_runs_with_typed_arguments_and_a_typed_result() -> None:
    """Whatever JSON makes of them in between."""
    app = make_app()

    @app.task
    async def pay(bill: Bill, *, factor: Decimal = Decimal(1)) -> Bill:
        return Bill(amount=bill.amount * factor, day=bill.day)

    async with app:
        job = await pay.submit(Bill(amount=Decimal("1.10"), day=date(2026, 11, 24)), factor=2)
        result = await job.result(5)

    assert result == Bill(amount=Decimal("2.20"), day=date(2026, 11, 24))


async def test_a_plain_function_runs_in_a_thread() -> None:
    """Its result comes back, and the loop is free meanwhile."""
    app = make_app()

    @app.task
    def where() -> str:
        return threading.current_thread().name

    async with app:
        name = await (await where.submit()).result(5)

    assert name.startswith("anymq-task")


def test_a_task_is_still_its_function() -> None:
    """Called here and now."""
    app = make_app()

    @app.task
    def double(value: int) -> int:
        return 2 * value

    assert double(4) == 8


async def test_an_error_comes_back_as_data_after_all_attempts() -> None:
    """Type and text; the message is among the dead letters."""
    app, attempts = make_app(), []

    @app.task(retry=QUICK)
    async def fail(job: CurrentJob) -> None:
        attempts.append(job.attempt)
        raise ValueError("no way")

    async with app:
        job = await fail.submit()
        with pytest.raises(JobFailed, match="no way") as found:
            await job.result(5)
        state = await job.state()
        dead = await until(lambda: app.dead_letters.entries(TOPIC, "workers"))

    assert attempts == [1, 2, 3]
    assert found.value.error_type == "ValueError"
    assert state == "failed"
    assert dead[0].message.meta["anymq-death-reason"] == "exhausted: ValueError"


async def test_the_policy_decides_what_is_retried() -> None:
    """With ``on``, everything else fails at once."""
    app, calls = make_app(), []

    @app.task(retry=RetryPolicy(max_attempts=5, first_delay_s=0.01, on=(KeyError,)))
    async def fail() -> None:
        calls.append(1)
        raise ValueError

    async with app:
        with pytest.raises(JobFailed):
            await (await fail.submit()).result(5)

    assert len(calls) == 1


async def test_a_task_may_say_what_becomes_of_its_job() -> None:
    """Retry and DeadLetter, as a handler may."""
    app = make_app()

    @app.task
    async def again(job: CurrentJob) -> Any:
        return job.attempt if job.attempt > 1 else Retry(0.01)

    @app.task
    async def give_up() -> Any:
        return DeadLetter("nobody wants it")

    async with app:
        assert await (await again.submit()).result(5) == 2
        with pytest.raises(JobFailed, match="nobody wants it"):
            await (await give_up.submit()).result(5)


async def test_a_time_limit_is_a_failure() -> None:
    """The task is cancelled and tried again."""
    app, attempts = make_app(), []

    @app.task(time_limit_s=0.05, retry=QUICK)
    async def slow(job: CurrentJob) -> int:
        attempts.append(job.attempt)
        if job.attempt == 1:
            await asyncio.Event().wait()
        return job.attempt

    async with app:
        assert await (await slow.submit()).result(5) == 2

    assert attempts == [1, 2]


def test_a_time_limit_in_a_thread_is_refused() -> None:
    """A thread cannot be stopped."""
    app = make_app()

    with pytest.raises(ConfigError, match="cannot be stopped"):

        @app.task(time_limit_s=1)
        def slow() -> None: ...


async def test_no_result_in_time_is_a_timeout_that_harms_nothing() -> None:
    """The job goes on."""
    app, go = make_app(), asyncio.Event()

    @app.task
    async def wait() -> str:
        await go.wait()
        return "done"

    async with app:
        job = await wait.submit()
        with pytest.raises(JobTimeout):
            await job.result(0.05)
        go.set()
        assert await job.result(5) == "done"


async def test_results_are_gathered_in_order() -> None:
    """However many, and whenever they end."""
    app = make_app()

    @app.task
    async def double(value: int) -> int:
        return 2 * value

    async with app:
        jobs = [await double.submit(n) for n in range(200)]
        assert await gather(*jobs, timeout_s=10) == [2 * n for n in range(200)]


async def test_a_chain_hands_results_on() -> None:
    """Each job gets the one before it; the handle is the last one's."""
    app = make_app()

    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    async with app:
        job = await chain(add.step(1, 2), add.step(10), add.step(100))
        assert await job.result(5) == 113


async def test_a_broken_chain_fails_to_its_end() -> None:
    """Nobody waits for what will never run."""
    app = make_app()

    @app.task(retry=RetryPolicy(max_attempts=1))
    async def fail() -> int:
        raise ValueError

    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    async with app:
        job = await chain(fail.step(), add.step(1), add.step(2))
        with pytest.raises(JobFailed) as found:
            await job.result(5)

    assert found.value.error_type == "ChainBroken"


async def test_a_result_that_is_not_kept_is_told_apart() -> None:
    """From one that failed."""
    app = make_app()

    @app.task(keep_result=False)
    async def note() -> int:
        return 1

    async with app:
        job = await note.submit()
        with pytest.raises(InvalidState, match="not kept"):
            await job.result(5)
        assert await job.state() == "succeeded"
