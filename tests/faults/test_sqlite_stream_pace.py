"""How soon a follower on one SQLite file sees a record; what reading from far behind costs."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anymq import App, after
from anymq.streams.handle import StreamHandle

ROOT = Path(__file__).parents[2]
LIMIT_S = 30.0
BATCH = 500
pytestmark = [pytest.mark.exclusive, pytest.mark.long, pytest.mark.timeout(300)]


async def test_a_follower_in_another_process_sees_a_record_soon(tmp_path: Path) -> None:
    """p50 at most 50 ms, from the call of append to the record in the reader's hands."""
    late_s = []
    async with _stream(tmp_path) as stream, _follower(tmp_path) as process:
        for _ in range(300):
            await stream.append(time.monotonic())
            late_s.append(float(await _line(process)))
            await asyncio.sleep(0.03)  # so that the follower waits again

    found = statistics.quantiles(late_s, n=100)
    print(f"follow: p50 {found[49] * 1000:.1f} ms, p99 {found[98] * 1000:.1f} ms")
    assert found[49] <= 0.050


async def test_reading_from_far_behind_costs_the_same_per_record(tmp_path: Path) -> None:
    """Within 1.3 times: from the first of 300,000, and from the 10,000th before the last."""
    async with _stream(tmp_path) as stream:
        for begin in range(0, 300_000, BATCH):
            await stream.append_many([float(begin)] * BATCH)
        records = [record.position async for record in stream.read(follow=False)]
        near, far = [], []
        for _ in range(7):
            near.append(await _cost(stream, records[-10_001]))
            far.append(await _cost(stream, records[0]))

    ratio = statistics.median(far) / statistics.median(near)
    print(f"per record: near {_us(near)}, far {_us(far)}: {ratio:.2f} times")
    assert len(records) == 300_000
    assert ratio <= 1.3


async def _cost(stream: StreamHandle[Any], position: str) -> float:
    """Seconds per record of the next 10,000."""
    began, read = time.perf_counter(), 0
    async with stream.read(after(position), follow=False) as reading:
        while read < 10_000:
            read += len(await reading.receive(max_records=BATCH))
    return (time.perf_counter() - began) / read


@asynccontextmanager
async def _stream(folder: Path) -> AsyncIterator[StreamHandle[Any]]:
    app = App(f"sqlite:///{folder}/s.db")
    stream = app.stream("pace", float)
    async with app:
        yield stream


@asynccontextmanager
async def _follower(folder: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.sqlite_stream_process", "follower"),
        *(str(folder / "s.db"), "-", "0", "0"),
        cwd=ROOT,
        stdout=PIPE,
    )
    try:
        assert await _line(process) == "ready"
        yield process
    finally:
        process.kill()
        await process.communicate()


async def _line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        return (await process.stdout.readline()).decode().strip()


def _us(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e6:.1f} us"
