"""Workers and their processes killed again and again: each job has one recorded result."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anymq import App, gather
from anymq.support.ids import new_id

pytestmark = [pytest.mark.long, pytest.mark.exclusive]

JOBS = 5000
EVERY = 20
"""One job in so many runs in a process."""
KILLS = 6
WORKERS = 2
CONCURRENCY = 20
BETWEEN = 200
"""Calls between two kills."""

CODE = """
import asyncio, os, time
from anymq import App
app = App({url!r})

def note(kind, number):
    descriptor = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b"%s %d\\n" % (kind, number))
    os.close(descriptor)

@app.task(queue={queue!r})
async def light(number: int) -> int:
    note(b"light", number)
    await asyncio.sleep(0.02)
    return 2 * number

@app.task(queue={queue!r}, run="process")
def heavy(number: int) -> int:
    note(b"heavy", number)
    time.sleep(0.05)
    return 3 * number
"""


class Site:
    """The workers, and what they have written down."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.queue = f"kills-{new_id()[-8:]}"
        self.log = folder / "ran.log"
        code = CODE.format(url=url, log=str(self.log), queue=self.queue)
        (folder / "shop.py").write_text(code)
        self.workers: list[subprocess.Popen[bytes]] = []

    def hire(self) -> None:
        """Start one worker."""
        command = ["-m", "anymq.cli", "worker", "shop", "-Q", self.queue, "-c", str(CONCURRENCY)]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        worker = subprocess.Popen([sys.executable, *command], cwd=self.folder, env=environment)
        self.workers.append(worker)

    def kill_one(self) -> None:
        """SIGKILL a worker, and start another."""
        victim = self.workers.pop(0)
        victim.kill()
        victim.wait(10)
        self.hire()

    def kill_child(self) -> bool:
        """SIGKILL a process of a worker's pool; False where there is none."""
        pids = [
            pid
            for worker in self.workers
            for task in Path(f"/proc/{worker.pid}/task").iterdir()
            for pid in (task / "children").read_text().split()
        ]
        if pids:
            os.kill(int(random.choice(pids)), signal.SIGKILL)
        return bool(pids)

    async def until_at_work(self) -> None:
        """Wait until many more calls have begun than until now."""
        before = len(self.ran())
        async with asyncio.timeout(60):
            while len(self.ran()) < before + BETWEEN:  # noqa: ASYNC110 - told by a file
                await asyncio.sleep(0.05)

    def ran(self) -> list[str]:
        """Every call, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@asynccontextmanager
async def opened(folder: Path, url: str) -> AsyncIterator[tuple[Site, Any, Any]]:
    """Workers, and an application that submits."""
    site = Site(folder, url)
    app = App(url)
    light = app.task_by_name("shop.light", queue=site.queue)
    heavy = app.task_by_name("shop.heavy", queue=site.queue)
    await app.start(work=False)
    try:
        for _ in range(WORKERS):
            site.hire()
        yield site, light, heavy
    finally:
        for worker in site.workers:
            worker.kill()
            worker.wait(10)
        await app.close()


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("redis", marks=pytest.mark.server("redis"))]
)
@pytest.mark.timeout(600)
async def test_each_job_has_one_result_whoever_is_killed(kind: str, tmp_path: Path) -> None:
    """Six workers and six processes are killed while 5,000 jobs run."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    if kind == "redis":
        url = os.environ["ANYMQ_TEST_REDIS_URL"] + "?lease_s=3"

    async with opened(tmp_path, url) as (site, light, heavy):
        steps = [_step(light, heavy, number) for number in range(JOBS)]
        jobs: list[Any] = []
        for start in range(0, JOBS, 500):
            jobs += await light.submit_many(steps[start : start + 500])
        children = 0
        for _ in range(KILLS):
            await site.until_at_work()
            children += site.kill_child()
            await site.until_at_work()
            site.kill_one()
        results = await gather(*jobs, timeout_s=400)
        states = {await job.state() for job in random.sample(jobs, 200)}

    assert results == [3 * n if _is_heavy(n) else 2 * n for n in range(JOBS)]
    assert states == {"succeeded"}
    extra = len(site.ran()) - JOBS
    print(f"{kind}: {extra} calls more than jobs, {children} processes killed")
    assert 0 < extra <= KILLS * CONCURRENCY + children
    assert children == KILLS


def _is_heavy(number: int) -> bool:
    return number % EVERY == 0


def _step(light: Any, heavy: Any, number: int) -> Any:
    return (heavy if _is_heavy(number) else light).step(number=number)
