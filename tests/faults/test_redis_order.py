"""Keys stay in order on Redis while their consumers are killed, leave and come."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from uuid import uuid4

import pytest

from anymq import App
from anymq.config import Settings
from tests.faults.redis_order_process import PARTITIONS

pytestmark = [pytest.mark.server("redis"), pytest.mark.long, pytest.mark.exclusive]

ROOT = Path(__file__).parents[2]
LEASE_S = 2.0
KEYS = [f"key-{n}" for n in range(8)]
TAKEOVER_S = 1.5
"""Past the lease; a killed process renewed it a moment before."""
LIMIT_S = 60.0
READY_S = 45.0


Line = tuple[float, int, str, str, int]
"""Moment, process, word, key, number."""


class Consumers:
    """Processes of one group. Each writes a file of what it does."""

    def __init__(self, url: str, namespace: str, folder: Path) -> None:
        self._command = (sys.executable, "-m", "tests.faults.redis_order_process", url, namespace)
        self._folder = folder
        self.processes: list[Process] = []
        self.killed: dict[int, float] = {}

    async def begin(self) -> None:
        """One more; returns when it consumes."""
        file = self._folder / f"{len(list(self._folder.iterdir()))}.log"
        with file.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *self._command, cwd=ROOT, stdin=PIPE, stdout=output
            )
        self.processes.append(process)
        async with asyncio.timeout(READY_S):
            while b"ready" not in file.read_bytes():  # noqa: ASYNC110  # a process
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """The one that has run longest, without warning."""
        process = self.processes.pop(0)
        os.kill(process.pid, signal.SIGKILL)
        self.killed[process.pid] = time.monotonic()
        await process.communicate()

    async def end(self) -> None:
        """The one that has run longest, in order."""
        process = self.processes.pop(0)
        async with asyncio.timeout(READY_S):
            await process.communicate(b"")  # None would leave its input open
        assert process.returncode == 0

    def said(self) -> list[Line]:
        """What all of them did, in its order."""
        files = sorted(self._folder.iterdir())
        lines = [line.split() for file in files for line in file.read_text().splitlines()]
        found = [
            (float(line[1]), int(line[2]), line[0], line[3], int(line[4]))
            for line in lines
            if len(line) == 5
        ]
        return sorted(found)


@pytest.mark.timeout(300)
async def test_order_holds_across_kills_departures_and_arrivals(tmp_path: Path) -> None:
    """Nobody begins a message before the one before it was begun, nor two of a key at once; a
    killed process's keys are taken over within its lease and a second and a half.
    """
    url = f"{os.environ['ANYMQ_TEST_REDIS_URL']}?lease_s={LEASE_S}"
    namespace = f"order-{uuid4().hex[:8]}"
    app = App(settings=Settings(url=url, namespace=namespace))
    app.topic("orders", partitions=PARTITIONS)
    app.subscriber("orders", group="desk", order="key")(_nobody)
    await app.start(consume=False)
    consumers, is_over = Consumers(url, namespace, tmp_path), asyncio.Event()
    try:
        await consumers.begin()
        await consumers.begin()
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(_publish(app, is_over))
            for step in ("begin", "kill", "begin", "end", "begin", "kill", "kill", "begin"):
                await asyncio.sleep(0.5)  # load goes on between two changes
                await getattr(consumers, step)()
            is_over.set()
        each = publishing.result()
        async with asyncio.timeout(LIMIT_S):
            while len(_handled(consumers)) < each * len(KEYS):  # noqa: ASYNC110  # processes
                await asyncio.sleep(0.5)
    finally:
        while consumers.processes:
            await consumers.kill()
        await app.close()
    _check(consumers, each)


async def _nobody(body: dict[str, int]) -> None:
    """This process only declares and publishes."""


async def _publish(app: App, is_over: asyncio.Event) -> int:
    """A message of each key, 25 times a second at most; how many of each."""
    n = 0
    while not is_over.is_set():
        await asyncio.gather(*(app.publish("orders", {"n": n}, key=key) for key in KEYS))
        n += 1
        await asyncio.sleep(0.04)
    return n


def _handled(consumers: Consumers) -> set[tuple[str, int]]:
    return {(key, number) for _, _, word, key, number in consumers.said() if word == "end"}


def _check(consumers: Consumers, each: int) -> None:
    begun = dict.fromkeys(KEYS, -1)
    running: dict[str, int] = {}
    moments: dict[str, float] = {}
    pauses: list[float] = []
    for moment, pid, word, key, number in consumers.said():
        if word == "end":
            running.pop(key, None)
            continue
        assert number <= begun[key] + 1, f"{key}: {number} began after {begun[key]}"
        begun[key] = max(begun[key], number)
        other = running.get(key)
        if other is not None:
            assert consumers.killed.get(other, moment) < moment, f"{key} runs twice"
        running[key] = pid
        pauses.append(moment - moments.get(key, moment))
        moments[key] = moment
    assert set(begun.values()) == {each - 1}
    assert max(pauses) < LEASE_S + TAKEOVER_S, f"a key stood still for {max(pauses):.2f} s"
