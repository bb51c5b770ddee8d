"""What a submission may say, and what can be done to a job before and while it runs."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anymq import App, ConfigError, JobFailed, PublishRejected, Router
from anymq.support.ids import new_id
from anymq.tasks.current import CurrentJob
from anymq.tasks.job import Job
from tests.unit.tasks.waiting import until

__all__: list[str] = []


def make_app() -> App:
    """An application on a space of its own."""
    return App(f"memory://{new_id()}")


async def is_told(job: Job[Any]) -> bool:
    """Whether the last step was reported."""
    return bool(await job.progress() == {"step": 2})


async def test_a_delayed_job_waits_and_can_be_moved() -> None:
    """Earlier or later; its old moment counts no more."""
    app, ran = make_app(), []

    @app.task
    async def note(name: str) -> None:
        ran.append(name)

    async with app:
        far = await note.submit("far", eta=datetime.now(UTC) + timedelta(days=400))
        near = await note.submit("near", delay_s=0.05)
        assert await near.reschedule(delay_s=3600)
        assert await far.reschedule(delay_s=0.1)
        await far.result(5)
        assert await near.state() == "queued"
        assert not await far.reschedule(delay_s=1)

    assert ran == ["far"]


async def test_another_handle_reschedules_a_delayed_job() -> None:
    """Any process can: the job is in the store while it waits."""
    app = make_app()

    @app.task
    async def note(name: str) -> str:
        return name

    async with app:
        job = await note.submit("x", delay_s=3600)
        handle = await note.job(job.id)
        assert await handle.reschedule(delay_s=0)
        assert await handle.result(5) == "x"


async def test_a_job_that_was_not_begun_is_revoked_for_certain() -> None:
    """And never runs."""
    app, ran = make_app(), []

    @app.task
    async def note() -> None:
        ran.append(1)

    async with app:
        job = await note.submit(delay_s=0.05)
        assert await job.revoke() is True
        assert await job.revoke() is True
        with pytest.raises(JobFailed) as found:
            await job.result(5)
        await asyncio.sleep(0.2)

    assert found.value.error_type == "revoked"
    assert ran == []


async def test_a_running_job_is_stopped() -> None:
    """It is revoked at once, and its task is cancelled."""
    app, begun, cancelled = make_app(), asyncio.Event(), asyncio.Event()

    @app.task
    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with app:
        job = await wait.submit()
        await begun.wait()
        assert await job.revoke() is False
        async with asyncio.timeout(5):
            await cancelled.wait()
        assert await job.state() == "revoked"


async def test_what_expires_before_it_begins_never_runs() -> None:
    """Its state says so."""
    app, go, ran = make_app(), asyncio.Event(), []

    @app.task
    async def note() -> None:
        ran.append(1)

    await app.start(work=False)
    job = await note.submit(expires_s=0.01)
    await asyncio.sleep(0.05)
    await app.stop()
    async with app:
        with pytest.raises(JobFailed) as found:
            await (await note.job(job.id)).result(5)

    assert found.value.error_type == "expired"
    assert not ran
    assert not go.is_set()


async def test_an_id_is_used_once() -> None:
    """A second submission finds the first, or is refused."""
    app, ran = make_app(), []

    @app.task
    async def note(value: int) -> int:
        ran.append(value)
        return value

    async with app:
        first = await note.submit(1, job_id="one")
        second = await note.submit(2, job_id="one")
        results = [await first.result(5), await second.result(5)]
        with pytest.raises(PublishRejected) as found:
            await note.submit(3, job_id="one", if_exists="reject")
        bulk = await note.submit_many(
            [note.step(n, job_id=key, if_exists="reject") for n, key in enumerate("aab")]
        )

    assert (first.is_new, second.is_new) == (True, False)
    assert results == [1, 1]
    assert found.value.code == "exists"
    assert [isinstance(one, PublishRejected) for one in bulk] == [False, True, False]


async def test_progress_is_what_was_reported_last() -> None:
    """From the loop and from a thread."""
    app, go = make_app(), threading.Event()

    @app.task
    def work(job: CurrentJob) -> None:
        for step in range(3):
            job.report({"step": step})
        go.wait(5)

    async with app:
        job = await work.submit()
        told = await until(lambda: is_told(job))
        go.set()
        await job.result(5)
        assert told
        assert await job.progress() == {"step": 2}


async def test_a_router_brings_tasks() -> None:
    """Its tasks find the App that includes it."""
    router, app = Router(), make_app()

    @router.task(queue="letters")
    async def write(name: str) -> str:
        return f"Dear {name}"

    with pytest.raises(ConfigError, match="Router"):
        await write.submit("x")
    app.include(router)
    async with app:
        assert await (await write.submit("Ann")).result(5) == "Dear Ann"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"delay_s": 1, "eta": datetime.now(UTC)}, PublishRejected),
        ({"eta": datetime(2030, 1, 1)}, PublishRejected),  # noqa: DTZ001 - what is refused
        ({"expires_s": 0}, PublishRejected),
        ({"job_id": ""}, PublishRejected),
        ({"if_exists": "perhaps"}, PublishRejected),
        ({"queue": "No Queue"}, ConfigError),
        ({"queue": "elsewhere"}, PublishRejected),
        ({"unknown": 1}, TypeError),
    ],
)
async def test_bad_submissions_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    """At once, and nothing is stored."""
    app = make_app()

    @app.task
    async def note() -> None: ...

    async with app:
        with pytest.raises(error):
            await note.submit(**options)


async def test_queues_are_served_by_those_who_are_told_to() -> None:
    """A worker takes from its queues alone."""
    from anymq.abc.task_runner import WorkerOptions

    app = make_app()

    @app.task(queue="slow")
    async def slow() -> str:
        return "slow"

    @app.task
    async def quick() -> str:
        return "quick"

    await app.start(work=WorkerOptions(("default",), 2))
    waiting = await slow.submit()
    assert await (await quick.submit()).result(5) == "quick"
    assert await waiting.state() == "queued"
    await app.close()


def test_scripts_submit_and_wait_without_a_loop_of_their_own() -> None:
    """Through the application's blocking side."""
    app = make_app()

    @app.task
    async def double(value: int) -> int:
        return 2 * value

    with app.sync as s:
        job = s.run(double.submit(4))
        assert s.run(job.result(5)) == 8
