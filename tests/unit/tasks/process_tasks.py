"""Tasks that run in processes of their own: importable there, so at module level."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from anymq import App, Retry, RetryPolicy
from anymq.tasks.current import CurrentJob

__all__ = ["app", "die", "die_once", "double", "fail", "hang", "later", "reporting"]

app = App("memory://process-tasks")
QUICK = RetryPolicy(max_attempts=2, first_delay_s=0.01, on=(ValueError,))


@app.task(run="process")
def double(value: int) -> tuple[int, int]:
    """The value twice, and where."""
    return 2 * value, os.getpid()


@app.task(run="process", retry=QUICK)
def fail(kind: str) -> None:
    """Raise what is asked for."""
    raise ValueError(kind) if kind == "value" else TypeError(kind)


@app.task(run="process")
def reporting(job: CurrentJob) -> int:
    """Tell how far it is."""
    job.report({"half": True})
    return job.attempt


@app.task(run="process")
def later(job: CurrentJob) -> int | Retry:
    """Ask for another attempt, once."""
    return job.attempt if job.attempt > 1 else Retry(0.01)


@app.task(run="process")
def die() -> None:
    """Kill the process, always."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(run="process")
def die_once(marker: str) -> int:
    """Kill the first process that runs it."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


@app.task(run="process", time_limit_s=0.5, retry=RetryPolicy(max_attempts=1))
def hang() -> None:
    """Never end."""
    threading.Event().wait(60)
