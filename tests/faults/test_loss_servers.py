"""A server killed five times under load, and each of its consumers twice: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.faults.loss_process import CONSUMERS, COUNT, PREFETCH, PUBLISHERS, WINDOW
from tests.faults.loss_record import LossRecord

pytestmark = [pytest.mark.long, pytest.mark.exclusive]
ROOT = Path(__file__).parents[2]
SERVER = -1
PLAN = (0, SERVER, 1, SERVER, 2, SERVER, 0, SERVER, 1, SERVER, 2)
"""Who is killed, each in a stretch of its own: the server five times, each consumer twice."""
STRETCH = COUNT // (len(PLAN) + 1)
"""So many numbers are let through for each; the kill comes when a fourth of them is confirmed."""
RECOVERED = 500
"""So many are handled after a kill before the next stretch begins."""
STALL_S = 120.0
"""Nothing new is handled for so long: what is missing will not come."""
CONTROL_S = 180.0
OPTIONS = {"redis": "?lease_s=5", "rabbitmq": "", "kafka": ""}


class Cast:
    """Two publishers and three consumers of one group; a killed consumer begins again."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._namespace = f"loss-{uuid4().hex[:8]}"
        self.publishers: list[Process] = []
        self.consumers: list[Process] = []

    async def start(self) -> None:
        """All five."""
        self.publishers = [await self._begin("publisher", part) for part in range(PUBLISHERS)]
        self.consumers = [await self._begin("consumer", part) for part in range(CONSUMERS)]

    def allow(self, limit: int) -> None:
        """Let the numbers below the limit be published."""
        for publisher in self.publishers:
            assert publisher.stdin is not None
            publisher.stdin.write(f"{limit}\n".encode())

    async def kill(self, part: int) -> None:
        """Kill a consumer without warning, and begin it again."""
        os.kill(self.consumers[part].pid, signal.SIGKILL)
        await self.consumers[part].communicate()
        self.consumers[part] = await self._begin("consumer", part)

    async def stop(self) -> list[int]:
        """Let the consumers end in order; every exit status."""
        everybody = [*self.publishers, *self.consumers]
        for process in everybody:
            await process.communicate(b"")  # None would leave its input open
        return [process.returncode or 0 for process in everybody]

    async def end(self) -> None:
        """Kill what still runs."""
        for process in (*self.publishers, *self.consumers):
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
                await process.communicate()

    async def _begin(self, role: str, part: int) -> Process:
        log = self._folder / f"{role}-{part}.log"
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.loss_process", role),
            *(self._url, self._namespace, str(log), str(part)),
            cwd=ROOT,
            stdin=PIPE,
        )


async def _restart_by_force(backend: str) -> None:
    """SIGKILL, then start on the same data; returns once the server is healthy."""
    control = shlex.split(os.environ[f"ANYMQ_TEST_{backend.upper()}_CONTROL"])
    for verb in ("kill", "restart"):
        process = await asyncio.create_subprocess_exec(*control, verb, stdout=PIPE, stderr=PIPE)
        async with asyncio.timeout(CONTROL_S):
            _, wrong = await process.communicate()
        assert process.returncode == 0, wrong.decode()


async def _until(record: LossRecord, condition: Callable[[], bool]) -> None:
    """Wait until it holds; fails when nothing has moved for STALL_S."""
    moved, before = time.monotonic(), -1
    while True:
        record.read()
        if condition():
            return
        now = record.handled.total() + len(record.confirmed)
        if now != before:
            moved, before = time.monotonic(), now
        assert time.monotonic() - moved < STALL_S, f"nothing moves: {record.counters()}"
        await asyncio.sleep(0.1)  # between two looks at the logs


async def _stretch(cast: Cast, record: LossRecord, number: int, victim: int, backend: str) -> None:
    """Let a stretch of numbers be published, kill somebody meanwhile, and see work go on."""
    begin, end = number * STRETCH, (number + 1) * STRETCH
    cast.allow(end)
    await _until(record, lambda: len(record.confirmed) >= begin + STRETCH // 4)
    if victim == SERVER:
        await _restart_by_force(backend)
    else:
        await cast.kill(victim)
    record.read()
    enough = min(end, len(record.handled) + RECOVERED)
    await _until(record, lambda: len(record.handled) >= enough)


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(name, marks=pytest.mark.server(name), id=name)
        for name in ("redis", "rabbitmq", "kafka")
    ],
)
@pytest.mark.timeout(1200)
async def test_kills_of_server_and_consumers_lose_nothing(backend: str, tmp_path: Path) -> None:
    """I1, I3, I4: all that was confirmed is handled; extras are bounded and flagged."""
    url = os.environ[f"ANYMQ_TEST_{backend.upper()}_URL"] + OPTIONS[backend]
    cast, record = Cast(url, tmp_path), LossRecord(tmp_path)
    began = time.monotonic()
    try:
        await cast.start()
        for number, victim in enumerate(PLAN):
            await _stretch(cast, record, number, victim, backend)
        cast.allow(COUNT)
        await _until(record, lambda: len(record.confirmed) == COUNT and not record.lost)
        statuses = await cast.stop()
        record.read()
    finally:
        await cast.end()
        print(f"{backend}: {record.counters()} in {time.monotonic() - began:.0f} s")

    assert statuses == [0] * (PUBLISHERS + CONSUMERS)
    assert not record.lost
    assert record.handled.keys() <= record.tried
    assert record.extras <= len(PLAN) * (CONSUMERS * PREFETCH + PUBLISHERS * WINDOW)
    assert {n: times for n, times in record.unflagged.items() if times > 1} == {}
