"""Looking at jobs and revoking them from the command line, on the memory backend."""

from __future__ import annotations

import asyncio
import json

import pytest

from anymq import App, JobFailed, RetryPolicy
from tests.unit.cli.conftest import Run, Space

__all__: list[str] = []


def submit(url: str, *, work: bool) -> str:
    """A job of a task that fails; its id."""
    app = App(url)

    @app.task(name="pay", retry=RetryPolicy(max_attempts=1))
    async def pay(amount: int) -> None:
        raise ValueError("no money")

    async def main() -> str:
        await app.start(work=work)
        job = await pay.submit(5)
        if work:
            with pytest.raises(JobFailed):
                await job.result(5)
        await app.close()
        return job.id

    return asyncio.run(main())


def test_a_job_is_shown(run: Run, space: Space) -> None:
    """Without arguments and results."""
    job_id = submit(space.url, work=True)

    shown, plain = run("tasks", "show", job_id, "--json"), run("tasks", "show", job_id)

    found = json.loads(shown.out)
    assert (found["state"], found["task"], found["queue"]) == ("failed", "pay", "default")
    assert found["error"] == "ValueError: no money"
    assert plain.code == 0
    assert "failed" in plain.out


def test_a_job_is_revoked_once(run: Run, space: Space) -> None:
    """One that has not begun; and again it stays so."""
    job_id = submit(space.url, work=False)

    first = run("tasks", "revoke", job_id)
    state = json.loads(run("tasks", "show", job_id, "--json").out)["state"]

    assert (first.code, state) == (0, "revoked")
    assert "will not run" in first.out


@pytest.mark.parametrize("command", ["show", "revoke"])
def test_an_unknown_job_is_an_error(run: Run, space: Space, command: str) -> None:
    """One line, and a code."""
    done = run("tasks", command, "nobody")

    assert done.code == 1
    assert "'nobody' is unknown" in done.err
