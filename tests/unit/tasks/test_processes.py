"""Tasks in processes of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from anymq import App, ConfigError, JobFailed
from tests.unit.tasks import process_tasks as tasks

__all__: list[str] = []


@pytest.fixture
async def app() -> AsyncIterator[App]:
    """The application, running."""
    await tasks.app.start()
    yield tasks.app
    await tasks.app.stop(grace_s=1)


async def test_a_task_runs_in_another_process_which_is_kept(app: App) -> None:
    """The result comes back; nothing of the worker's process is used."""
    first = await (await tasks.double.submit(4)).result(20)
    second = await (await tasks.double.submit(5)).result(20)

    assert (first[0], second[0]) == (8, 10)
    assert first[1] == second[1] != os.getpid()


async def test_its_error_comes_back_as_data_and_its_policy_holds(app: App) -> None:
    """The error's class is known in the child alone, and so is what the policy says of it."""
    retried, refused = await tasks.fail.submit("value"), await tasks.fail.submit("type")

    with pytest.raises(JobFailed) as found:
        await retried.result(20)
    with pytest.raises(JobFailed) as other:
        await refused.result(20)

    assert found.value.error_type == "ValueError"
    assert other.value.error_type == "TypeError"
    attempts = [e.message.attempt for e in await app.dead_letters.entries(TOPIC, "workers")]
    assert attempts in ([2, 1], [1, 2], [2], [1])


async def test_progress_and_outcomes_pass_the_pipe(app: App) -> None:
    """As from a task in the worker itself."""
    reporting, later = await tasks.reporting.submit(), await tasks.later.submit()

    assert await reporting.result(20) == 1
    assert await later.result(20) == 2
    assert await reporting.progress() in (None, {"half": True})


async def test_a_killed_process_reruns_its_job_alone(app: App, tmp_path: Path) -> None:
    """Another one takes over; the job's attempt is the same."""
    killed = await tasks.die_once.submit(str(tmp_path / "killed"))

    assert await killed.result(30) != os.getpid()


async def test_what_kills_every_process_is_dead_lettered(app: App) -> None:
    """After a bounded number of processes."""
    job = await tasks.die.submit()

    with pytest.raises(JobFailed, match="died 4 times") as found:
        await job.result(60)

    assert found.value.error_type == "anymq.tasks.failures.ChildLost"


async def test_a_time_limit_ends_the_process(app: App) -> None:
    """As a failure; the next job runs."""
    job = await tasks.hang.submit()

    with pytest.raises(JobFailed, match="time limit"):
        await job.result(20)
    assert (await (await tasks.double.submit(1)).result(20))[0] == 2


async def test_a_running_process_is_revoked(app: App) -> None:
    """The process is ended at once."""
    job = await tasks.hang.submit()
    while await job.state() != "running":
        pass

    assert await job.revoke() is False
    with pytest.raises(JobFailed, match="revoked"):
        await job.result(5)


def test_a_function_that_cannot_be_imported_is_refused() -> None:
    """When it is declared."""
    app = App("memory://x")

    with pytest.raises(ConfigError, match="module level"):

        @app.task(run="process")
        def local() -> None: ...


TOPIC = "anymq.tasks.default"
