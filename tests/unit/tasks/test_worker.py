"""``anymq worker``: a process that serves jobs, and stops in good order."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anymq import App
from tests.unit.tasks.waiting import until

__all__: list[str] = []

CODE = """
import os, pathlib, time
from anymq import App
app = App("sqlite:///{file}")

@app.task
def note(name: str, wait_s: float = 0.0) -> int:
    folder = pathlib.Path("{folder}")
    (folder / (name + ".begun")).touch()
    time.sleep(wait_s)
    (folder / (name + ".ended")).touch()
    return os.getpid()

@app.task(queue="other")
def other() -> int:
    return os.getpid()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the application is."""
    (tmp_path / "shop.py").write_text(CODE.format(file=tmp_path / "jobs.db", folder=tmp_path))
    return tmp_path


@contextmanager
def worker(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command, running; killed at the end if need be."""
    process = subprocess.Popen(
        [sys.executable, "-m", "anymq.cli", "worker", "shop", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
async def tasks(folder: Path) -> AsyncIterator[tuple[Any, Any]]:
    """Two tasks of an application that only submits."""
    app = App(f"sqlite:///{folder}/jobs.db")
    note = app.task_by_name("shop.note")
    other = app.task_by_name("shop.other", queue="other")
    await app.start(work=False)
    yield note, other
    await app.close()


@pytest.mark.long
async def test_it_serves_its_queues_and_drains_on_sigterm(
    folder: Path, tasks: tuple[Any, Any]
) -> None:
    """What runs may end, what waits stays, what is in another queue too; the exit code is 0."""
    note, other = tasks
    with worker(folder, "-Q", "default", "-c", "1") as process:
        job = await note.submit(name="first")
        assert await job.result(30) == process.pid
        elsewhere = await other.submit()
        running = await note.submit(name="running", wait_s=1.0)
        waiting = await note.submit(name="waiting")
        await until(lambda: _exists(folder / "running.begun"))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0
        states = [await j.state() for j in (running, waiting, elsewhere)]

    assert states == ["succeeded", "queued", "queued"]
    assert (folder / "running.ended").exists()


def test_an_application_without_tasks_is_refused(tmp_path: Path) -> None:
    """Rather than to wait for nothing."""
    (tmp_path / "shop.py").write_text("from anymq import App\napp = App('memory://x')\n")

    with worker(tmp_path) as process:
        assert process.wait(20) == 2


async def _exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)
